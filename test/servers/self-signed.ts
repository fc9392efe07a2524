/** Certificates for servers of the tests, made by openssl. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface ServerCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Writes a key and a certificate for this machine and for `hosts` into `directory`; the certificate is its own authority. */
export function makeCertificate(directory: string, hosts: readonly string[] = ['cache.example']): ServerCertificate {
  const certFile = join(directory, 'server.crt');
  const keyFile = join(directory, 'server.key');
  const names = [
    '-subj',
    '/CN=localhost',
    '-addext',
    `subjectAltName=IP:127.0.0.1,${['localhost', ...hosts].map((name) => `DNS:${name}`).join()}`,
  ];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-days', '2', ...key, '-out', certFile, ...names], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`openssl: ${stderr.slice(-500)}`);
  return { certFile, keyFile };
}
