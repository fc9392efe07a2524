/** Certificates for servers of the tests, made by openssl. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface ServerCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Writes a key and a certificate for 127.0.0.1, localhost and cache.example into `directory`; the certificate is its own authority. */
export function makeCertificate(directory: string): ServerCertificate {
  const certFile = join(directory, 'server.crt');
  const keyFile = join(directory, 'server.key');
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,DNS:cache.example,IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-days', '2', ...key, '-out', certFile, ...names], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`openssl: ${stderr.slice(-500)}`);
  return { certFile, keyFile };
}
