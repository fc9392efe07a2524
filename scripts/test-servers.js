/** The programs that tests run for real. Debian has them all: as root they are installed, else the user is told. */
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { mustRun } from './run.js';
import { provideS3Proxy } from './s3proxy.js';

const PROGRAMS = [
  { command: 'docker-registry', debian: 'docker-registry', proves: 'index and warm from a real registry' },
  { command: 'redis-server', debian: 'redis-server', proves: 'remote caches in Redis' },
  { command: 'mmdebstrap', debian: 'mmdebstrap', proves: 'every file of a real Debian image' },
  { command: 'zstd', debian: 'zstd', proves: 'layers by the zstd program' },
  { command: 'pigz', debian: 'pigz', proves: 'layers by pigz' },
  { command: 'bgzip', debian: 'tabix', proves: 'layers by bgzip' },
  { command: 'libdeflate-gzip', debian: 'libdeflate-tools', proves: 'layers by libdeflate' },
  { command: 'igzip', debian: 'isal', proves: 'layers by igzip' },
  { command: 'zopfli', debian: 'zopfli', proves: 'layers by zopfli' },
  { command: '7z', debian: 'p7zip-full', proves: 'layers by 7-Zip' },
  { command: 'tar', debian: 'tar', proves: 'what GNU tar writes' },
  { command: 'openssl', debian: 'openssl', proves: 'registries behind TLS' },
  { command: 'nginx', debian: 'nginx-light libnginx-mod-http-dav-ext', proves: 'remote caches on a web server' },
  { command: 'strace', debian: 'strace', proves: 'the order of a commit, as the kernel sees it' },
  { command: 'java', debian: 'default-jre-headless', proves: 'S3 remotes over S3Proxy' },
  { command: 'mvn', debian: 'maven', proves: 'S3 remotes over S3Proxy' },
  { command: 'swift-proxy-server', debian: 'swift-proxy', proves: 'S3 remotes over a poor server' },
  { command: 'swift-account-server', debian: 'swift-account', proves: 'S3 remotes over a poor server' },
  { command: 'swift-container-server', debian: 'swift-container', proves: 'S3 remotes over a poor server' },
  { command: 'swift-object-server', debian: 'swift-object', proves: 'S3 remotes over a poor server' },
  { command: 'swift-ring-builder', debian: 'swift', proves: 'S3 remotes over a poor server' },
  { command: 'memcached', debian: 'memcached', proves: 'S3 remotes over a poor server' },
];

const POLICY = '/usr/sbin/policy-rc.d';

/** Installs what is missing where that is possible. Tests of what stays missing are skipped at home and fail in CI. */
export async function provideTestServers() {
  await providePrograms();
  if (isOnPath('mvn') && isOnPath('java')) await provideS3Proxy();
}

async function providePrograms() {
  const missing = findMissing();
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && isOnPath('apt-get')) {
    await installDebianPackages(missing.flatMap((program) => program.debian.split(' ')));
  }
  const absent = findMissing();
  if (absent.length === 0) return;
  const lines = absent.map((program) => `  ${program.command.padEnd(16)} ${program.proves}`);
  const names = absent.map((program) => program.debian).join(' ');
  process.stderr.write(
    `\nnot on this machine, so these are not tested:\n${lines.join('\n')}\non Debian: apt-get install ${names}\n\n`,
  );
}

function findMissing() {
  return PROGRAMS.filter((program) => !isOnPath(program.command));
}

/** @param {string} command */
export function isOnPath(command) {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => isExecutable(join(folder, command)));
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** @param {readonly string[]} packages */
async function installDebianPackages(packages) {
  process.stderr.write(`installing ${packages.join(' ')} (apt-get) ...\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  /** @type {{ env: NodeJS.ProcessEnv, stdio: import('node:child_process').StdioOptions }} */
  const options = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  await withoutServices(async () => {
    await mustRun('apt-get', ['-qq', 'update'], options);
    await mustRun('apt-get', ['-qq', '-y', '--no-install-recommends', 'install', ...packages], options);
  });
}

/**
 * Debian starts what it installs unless policy-rc.d says no; tests start their own servers on free ports.
 * @param {() => Promise<void>} install
 */
async function withoutServices(install) {
  if (existsSync(POLICY)) return install();
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await install();
  } finally {
    rmSync(POLICY, { force: true });
  }
}
