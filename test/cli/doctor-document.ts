/** A result of `doctor` with every field filled in. */
import type { DoctorResult } from '../../src/lib/operations/doctor-results.ts';
import { digestOf } from './documents.ts';

const GIB = 1024 ** 3;
const DOCKER_FILE = '/var/lib/ci/.docker/config.json';
const DEAD = 'redis://cache.example:6379/0';

export const DOCTOR: DoctorResult = {
  ok: false,
  version: '0.1.0',
  system: { node: 'v20.20.2', platform: 'linux', architecture: 'x64', cores: 8, memoryBytes: 16 * GIB },
  settings: [
    { name: 'cache-dir', value: '/var/cache/clipctl', origin: 'environment' },
    { name: 'jobs', value: 8, origin: 'default' },
    { name: 'max-memory', value: 32 * 1024 ** 2, unit: 'bytes', origin: 'flag' },
    { name: 'max-cache-size', value: null, unit: 'bytes', origin: 'default' },
    { name: 'timeout', value: 30_000, unit: 'ms', origin: 'config' },
    { name: 'offline', value: false, origin: 'default' },
    { name: 'mirror', value: ['docker.io=https://mirror.example/hub', 'docker.io=https://b.example'], origin: 'config' },
    { name: 'username', value: 'robot\u001b[31m', origin: 'config' },
  ],
  configFile: { path: '/etc/clipctl.json', exists: true, unknownKeys: ['cahceDir'] },
  cache: {
    path: '/var/cache/clipctl',
    exists: true,
    writable: true,
    mode: '0700',
    uid: 1000,
    gid: 1000,
    shared: false,
    layoutVersion: 1,
    locks: 'kernel',
    layers: 14,
    ownBytes: 3 * GIB,
    maxCacheBytes: 20 * GIB,
    minFreeBytes: 5 * GIB,
    freeBytes: 64 * GIB,
  },
  engines: { gzip: 'kernel', zstdDecoder: 'wasm-zstd', zstdEncoder: 'wasm-zstd', nativeLocks: true },
  network: {
    offline: false,
    proxies: [{ variable: 'HTTPS_PROXY', url: 'http://REDACTED@proxy.example:3128/' }],
    noProxy: '.example,10.0.0.0/8',
    authorities: [{ setting: '--ca-file', path: '/etc/ssl/ours.pem' }],
    certsDirectories: [{ path: '/etc/docker/certs.d', registries: ['registry.example:5000'] }],
  },
  credentialFiles: [
    {
      path: DOCKER_FILE,
      exists: true,
      registries: ['ghcr.io'],
      helpers: [{ name: 'docker-credential-ecr-login', registry: 'ecr.example', installed: false }],
    },
  ],
  remotes: [
    {
      url: 'file:///mnt/cache',
      uses: ['from', 'to'],
      reached: true,
      ms: 1,
      capabilities: { ranges: true, list: true, delete: true, conditionalPut: true, encoding: true },
    },
    { url: DEAD, uses: ['from'], reached: false },
  ],
  registries: [
    {
      name: 'ghcr.io/acme/shop:2.4',
      registry: 'ghcr.io',
      role: 'registry',
      reached: true,
      proxied: true,
      credentials: { origin: DOCKER_FILE, kind: 'password' },
      url: 'https://ghcr.io/',
      ms: 85,
      auth: 'bearer',
      realm: 'https://ghcr.io/token',
      login: 'accepted',
      manifestDigest: digestOf('a'),
      quota: { limit: 100, remaining: 0, windowSeconds: 21_600, source: '192.0.2.7' },
      clockSkewMs: -120_000,
    },
  ],
  checks: [
    { area: 'configuration', status: 'ok', message: '/etc/clipctl.json' },
    {
      area: 'configuration',
      status: 'warning',
      message: '/etc/clipctl.json: unknown key "cahceDir" is ignored',
      hint: 'Keys are flag names in camelCase, and "remotes".',
    },
    { area: 'cache', status: 'ok', message: '/var/cache/clipctl: writable, mode 0700, uid 1000' },
    { area: 'cache', status: 'ok', message: 'there is room for layers' },
    { area: 'engines', status: 'ok', message: 'gzip: the inflate kernel works (WebAssembly)' },
    { area: 'network', status: 'ok', message: 'proxy: HTTPS_PROXY http://REDACTED@proxy.example:3128/' },
    {
      area: 'credentials',
      status: 'ok',
      message: `${DOCKER_FILE}: logins for ghcr.io, docker-credential-ecr-login for ecr.example`,
    },
    {
      area: 'remotes',
      status: 'ok',
      message: 'file:///mnt/cache: answered in 1 ms; ranges, list, delete, conditional put, zstd',
    },
    {
      area: 'remotes',
      status: 'problem',
      code: 'NETWORK',
      message: `${DEAD}: cannot talk to cache.example:6379: ECONNREFUSED`,
      hint: 'Check that the server runs and can be reached from here.',
    },
    {
      area: 'registries',
      status: 'ok',
      message: `ghcr.io/acme/shop: reached over https through a proxy in 85 ms; bearer login accepted, credentials from ${DOCKER_FILE}; the image is there`,
    },
    {
      area: 'registries',
      status: 'warning',
      message: 'ghcr.io: 0 of 100 requests left in 21600 s',
      hint: 'Log in for a higher limit, or use a mirror (--mirror).',
    },
  ],
  durationMs: 214,
  warnings: [],
};
