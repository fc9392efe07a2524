/** Connections that break and servers that misuse Range, through the command (RELIABILITY §2 rows 4, 5, 6 and 9). */
import { readFile } from 'node:fs/promises';
import { createServer as createTcpServer, connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type Fault, type LoopbackRegistry, type RecordedRequest } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';
import { makeCertificate } from '../servers/self-signed.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeMixedImage } from './mixed-image.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Headers of retries, an answer that was cut later than asked: what row 4 calls N, for each request. */
const OVERHEAD_BYTES = 16 * KIB;

type Name = 'small' | 'middle' | 'large';

let store: Home;
let images: Record<Name, MadeLayout>;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  const made = async (name: Name, bytes: number) =>
    [name, await makeMixedImage(join(store.dir, name), bytes, [name === 'small' ? 'gzip' : 'none'])] as const;
  images = Object.fromEntries(
    await Promise.all([made('small', 3 * MIB), made('middle', 10 * MIB), made('large', 34 * MIB)]),
  ) as Record<Name, MadeLayout>;
  const repositories = Object.fromEntries(Object.entries(images).map(([name, { directory }]) => [name, directory]));
  registry = await startLoopbackRegistry({ repositories });
}, 60_000);
afterAll(async () => {
  await registry.close();
  await store.remove();
});
beforeEach(() => {
  registry.script = undefined;
});

function layerOf(name: Name): MadeLayout['layers'][number] {
  const [layer] = images[name].layers;
  if (layer === undefined) throw new Error('no layer');
  return layer;
}

interface Run extends CliResult {
  /** Requests of the layer, in order. */
  readonly seen: readonly RecordedRequest[];
  readonly servedBytes: number;
  readonly isWhole: boolean;
  readonly left: readonly string[];
}

/** A warm with an empty cache; `faultOf` says what happens to the requests of the layer, 0 first. */
async function warm(name: Name, faultOf: (at: number) => Fault | undefined, ...flags: string[]): Promise<Run> {
  return warmAt(`${registry.host}/${name}:v1`, name, faultOf, { flags });
}

interface WarmOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

async function warmAt(
  reference: string,
  name: Name,
  faultOf: (at: number) => Fault | undefined,
  { flags = [], env = {} }: WarmOptions,
): Promise<Run> {
  const home = await makeHome();
  const seen: RecordedRequest[] = [];
  const { digest, diffId } = layerOf(name);
  registry.script = (request) => (request.path.endsWith(digest) ? faultOf(seen.push(request) - 1) : undefined);
  try {
    const result = await home.run(['warm', reference, '--json', '-v', ...flags], { env });
    const isWhole = (await cachedLayers(home)).join() === diffId.slice('sha256:'.length);
    const servedBytes = seen.reduce((sum, { bytesServed }) => sum + bytesServed, 0);
    return { ...result, seen, servedBytes, isWhole, left: await leftovers(home) };
  } finally {
    await home.remove();
  }
}

const retriesOf = (run: CliResult): number => run.json<{ totals: { retries: number } }>().totals.retries;
const errorOf = (run: CliResult): string => run.json<{ error: { code: string } }>().error.code;
const startOf = ({ headers }: RecordedRequest): number => Number(/^bytes=(\d+)-/.exec(String(headers['range']))?.[1] ?? 0);

describe('row 4: the connection is cut', () => {
  it.each([
    [64 * KIB, 'small'],
    [MIB, 'middle'],
    [16 * MIB, 'large'],
  ] as const)('every %i bytes: the layer comes, each byte once, from the right offset each time', async (cutAt, name) => {
    const run = await warm(name, () => ({ cutAt }));
    expect(run.code, run.stderr).toBe(0);
    expect(run.isWhole).toBe(true);
    expect(run.left).toEqual([]);
    const { compressedBytes, digest } = layerOf(name);
    expect(run.servedBytes).toBeLessThanOrEqual(compressedBytes * 1.02 + run.seen.length * OVERHEAD_BYTES);
    // Where each answer stopped is where a later one begins: nothing twice, nothing left out.
    const ends = new Set(run.seen.map((request) => startOf(request) + request.bytesServed));
    const starts = run.seen.slice(1).map(startOf);
    expect(starts.filter((start) => !ends.has(start) && start % MIB !== 0)).toEqual([]);
    expect(new Set(starts).size).toBe(starts.length);
    expect(new Set(run.seen.slice(1).map(({ headers }) => headers['if-range']))).toEqual(new Set([`"${digest}"`]));
    expect(retriesOf(run)).toBeGreaterThanOrEqual(Math.floor(compressedBytes / cutAt) - 4);
  });

  it('without a validator there is no If-Range, and the layer comes', async () => {
    const run = await warm('small', () => ({ cutAt: MIB, headers: { etag: '' } }));
    expect(run.code, run.stderr).toBe(0);
    expect(run.seen.every(({ headers }) => headers['if-range'] === undefined)).toBe(true);
  });
});

describe('row 5: after a cut the server', () => {
  /** The first answer is cut, the second is wrong. */
  const afterCut = (fault: Fault) => (at: number) => [{ cutAt: MIB }, fault][at];

  it('ignores Range: what came is passed over, the layer comes', async () => {
    const run = await warm('small', afterCut({ ignoreRange: true }));
    expect(run.code, run.stderr).toBe(0);
    expect(run.isWhole).toBe(true);
    expect(run.seen).toHaveLength(2);
  });

  it.each<[string, Fault]>([
    ['sends another range', { wrongRange: true }],
    ['sends no Content-Range', { contentRange: '' }],
  ])('%s: nothing is spliced, the layer is asked for once more without a Range', async (_, fault) => {
    const run = await warm('small', afterCut(fault));
    expect(run.code, run.stderr).toBe(0);
    expect(run.isWhole).toBe(true);
    expect(run.seen).toHaveLength(3);
    expect(run.seen[2]?.headers['range']).toBeUndefined();
  });

  it('says another total: exit 7, nothing is kept', async () => {
    const { compressedBytes } = layerOf('small');
    const fault = { contentRange: `bytes ${MIB}-${compressedBytes - 1}/${compressedBytes + 1}` };
    // Wrong bytes are fetched once more, from the start: that is cut and wrong as well.
    const run = await warm('small', (at) => (at % 2 === 0 ? { cutAt: MIB } : fault));
    expect(run.code).toBe(7);
    expect(errorOf(run)).toBe('SIZE_MISMATCH');
    expect(run.isWhole).toBe(false);
    expect(run.left).toEqual([]);
  });
});

describe('row 9:', () => {
  it('500, 502, 504 and 408 are tried again, each one said at -v and counted', async () => {
    const run = await warm('small', (at) => (at < 4 ? { status: [500, 502, 504, 408][at] ?? 0 } : undefined));
    expect(run.code, run.stderr).toBe(0);
    expect(run.seen).toHaveLength(5);
    expect(retriesOf(run)).toBe(4);
    for (const at of [1, 2, 3, 4]) expect(run.stderr).toMatch(new RegExp(`retry ${at} of 4: .* in .*: REGISTRY_ERROR`));
  });

  it('one that never gets better is asked 5 times, then exit 6; with jitter inside of 0.5 s, doubled each time', async () => {
    const run = await warm('small', () => ({ status: 502 }), '--progress', 'json');
    expect(run.code).toBe(6);
    expect(run.seen).toHaveLength(5);
    const events = run.stderr.split('\n').filter((line) => line.includes('"type":"retry"'));
    const waits = events.map((line) => (JSON.parse(line) as { waitMs: number }).waitMs);
    expect(waits).toHaveLength(4);
    expect(waits.every((waitMs, at) => waitMs <= 500 * 2 ** at)).toBe(true);
  });

  it.each([400, 404, 410, 416])('status %i is never tried again', async (status) => {
    const run = await warm('small', () => ({ status }));
    expect(run.code).toBe({ 400: 6, 404: 4, 410: 6, 416: 7 }[status]);
    expect(run.seen.length).toBeLessThanOrEqual(status === 416 ? 2 : 1);
  });

  it('a cut after 1 byte goes on at once from there and counts no try: --retries 0 is enough', async () => {
    const run = await warm('small', (at) => (at < 20 ? { cutAt: 1 } : undefined), '--retries', '0');
    expect(run.code, run.stderr).toBe(0);
    expect(run.servedBytes).toBe(layerOf('small').compressedBytes);
    expect(run.seen.map(startOf)).toEqual(Array.from({ length: 21 }, (_, at) => at));
    expect(retriesOf(run)).toBe(20);
  });

  it('a reset, a name that cannot be resolved for now and TLS that breaks off are tried again', async () => {
    const front = await startBreakingFront(store.dir, registry.host);
    try {
      // Resolving is Node's: the first two times it says what a resolver without network says.
      const preload = `data:text/javascript,${encodeURIComponent(FLAKY_NAMES)}`;
      const env = { NODE_OPTIONS: `--import=${preload}` };
      const flags = ['--insecure-registry', `flaky.test:${front.tlsPort}`];
      const run = await warmAt(`flaky.test:${front.tlsPort}/small:v1`, 'small', () => undefined, { flags, env });
      expect(run.code, run.stderr).toBe(0);
      expect(retriesOf(run)).toBeGreaterThanOrEqual(3);
      const reset = await warmAt(`127.0.0.1:${front.resetPort}/small:v1`, 'small', () => undefined, {});
      expect(reset.code, reset.stderr).toBe(0);
      expect(retriesOf(reset)).toBeGreaterThanOrEqual(2);
    } finally {
      front.close();
    }
  });
});

const FLAKY_NAMES = `
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
const real = dns.lookup;
let asked = 0;
dns.lookup = (name, options, found) => {
  if (name !== 'flaky.test') return real(name, options, found);
  if (++asked > 2) return real('127.0.0.1', options, found);
  setImmediate(() => found(Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' })));
};
syncBuiltinESMExports();
`;

interface BreakingFront {
  readonly tlsPort: number;
  readonly resetPort: number;
  close(): void;
}

/** Two doors to the registry: TLS whose second connection breaks off in the middle of a body, TCP that resets the first two. */
async function startBreakingFront(directory: string, host: string): Promise<BreakingFront> {
  const { certFile, keyFile } = makeCertificate(directory);
  const upstreamPort = Number(host.split(':')[1]);
  let taken = 0;
  const tls = createTlsServer({ key: await readFile(keyFile), cert: await readFile(certFile) }, (socket) => {
    let bytes = 0;
    const breaks = taken++ < 2;
    const upstream = connect(upstreamPort, '127.0.0.1');
    socket.on('error', () => upstream.destroy()).pipe(upstream);
    upstream
      .on('error', () => socket.destroy())
      .on('data', (piece: Buffer) => {
        bytes += piece.byteLength;
        socket.write(piece);
        if (breaks && bytes > 300 * KIB) socket.destroy();
      });
    upstream.on('end', () => socket.end());
  });
  tls.on('tlsClientError', () => undefined);
  let resets = 0;
  const tcp = createTcpServer((socket) => {
    if (resets++ < 2) return void socket.resetAndDestroy();
    const upstream = connect(upstreamPort, '127.0.0.1');
    socket.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => socket.destroy()).pipe(socket);
  });
  for (const server of [tls, tcp]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    tlsPort: (tls.address() as AddressInfo).port,
    resetPort: (tcp.address() as AddressInfo).port,
    close: () => {
      tls.close();
      tcp.close();
    },
  };
}

describe('row 6: a server that stalls', () => {
  it('in the middle is left after --timeout, and the layer goes on from there', async () => {
    const run = await warm('small', (at) => (at === 0 ? { stallAt: MIB } : undefined), '--timeout', '1');
    expect(run.code, run.stderr).toBe(0);
    expect(run.seen.map(startOf)).toEqual([0, MIB]);
    expect(run.servedBytes).toBe(layerOf('small').compressedBytes);
    expect(run.stderr).toContain('TIMEOUT');
  });

  it('with 1 byte each tenth of a window is left as well', async () => {
    const run = await warm(
      'small',
      (at) => (at === 0 ? { trickleAt: MIB + 100, trickleMs: 150 } : undefined),
      '--timeout',
      '1.5',
    );
    expect(run.code, run.stderr).toBe(0);
    expect(run.seen).toHaveLength(2);
    expect(startOf(run.seen[1] as RecordedRequest)).toBeGreaterThan(MIB + 100);
    expect(run.stderr).toContain('TIMEOUT');
  });

  it.each<[string, Fault]>([
    ['nothing', { stallAt: 0 }],
    ['1 byte now and then', { trickleAt: 0, trickleMs: 100 }],
  ])('with %s, for ever, is exit 6 after four timeouts', async (_, fault) => {
    const startedAtMs = performance.now();
    const run = await warm('small', () => fault, '--timeout', '0.6', '--retries', '100');
    expect(run.code).toBe(6);
    expect(errorOf(run)).toBe('TIMEOUT');
    expect(run.seen.length).toBeGreaterThanOrEqual(2);
    expect(run.seen.length).toBeLessThanOrEqual(5);
    expect(performance.now() - startedAtMs).toBeLessThan(20_000);
  });
});
