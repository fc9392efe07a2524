/** `clipctl push-cache` into S3 beside `aws s3 cp` of the same bytes, over a server that checks and over a poor one. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { s3ProxyMissing, startS3Proxy } from '../../test/servers/s3proxy.ts';
import type { S3Server } from '../../test/servers/s3-server.ts';
import { startSwift, swiftMissing } from '../../test/servers/swift.ts';
import { ratio, type BenchContext, type Claim, type Heat } from '../claim.ts';
import { oneLayerImage, type MadeImage } from '../data/images.ts';
import { interleave } from '../measure/interleave.ts';
import { Field } from '../peers/peers.ts';

const OURS = 'clipctl push-cache';
const AWS = 'aws s3 cp';
const DEBIAN_AWS = '/usr/bin/aws';
const LEAST_RATE = 0.9;
const run = promisify(execFile);

interface Warmed {
  readonly image: MadeImage;
  readonly cacheDir: string;
  /** The one layer, decompressed. */
  readonly layer: string;
}

export const s3: Claim = {
  name: 's3',
  title: 'Filling an S3 remote',
  measure: async (context) => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'clipctl-bench-s3-'));
    try {
      const warmed = await warmUp(context, cacheDir);
      const heats = [
        await heatOf(context, warmed, { name: 'S3Proxy', missing: s3ProxyMissing(), start: startS3Proxy }),
        await heatOf(context, warmed, { name: 'swift', missing: swiftMissing(), start: startSwift }),
      ];
      const targets = heats.map(({ title, standings }) => ({
        text: `${title}: at least ${LEAST_RATE} × the rate of ${AWS}`,
        kind: 'at least' as const,
        bound: LEAST_RATE,
        value: inverse(ratio(standings, 'wallMs', { of: OURS, by: AWS })),
      }));
      return { heats, targets, plots: [] };
    } finally {
      await rm(cacheDir, { recursive: true, force: true });
    }
  },
};

function inverse(value: number | undefined): number | undefined {
  return value === undefined ? undefined : 1 / value;
}

async function warmUp(context: BenchContext, cacheDir: string): Promise<Warmed> {
  const image = await oneLayerImage(context);
  const [program = '', ...args] = context.clipctl('warm', `oci:${image.layout}`, '--cache-dir', cacheDir, '--json');
  await run(program, args);
  const layer = (await readdir(cacheDir)).find((name) => /^[0-9a-f]{64}$/.test(name));
  if (layer === undefined) throw new Error('the warm left no layer');
  return { image, cacheDir, layer: join(cacheDir, layer) };
}

interface Server {
  readonly name: string;
  /** Why it is not on this machine. */
  readonly missing: string | undefined;
  readonly start: () => Promise<S3Server>;
}

async function heatOf(
  context: BenchContext,
  { image, cacheDir, layer }: Warmed,
  { name, missing, start }: Server,
): Promise<Heat> {
  const about = { title: `over ${name}`, data: image.description, outputBytes: image.bytes };
  if (missing !== undefined) return { ...about, standings: [], missing: [{ name, reason: missing }] };
  const server = await start();
  try {
    const login = Object.entries(server.environment).map(([key, value]) => `${key}=${value}`);
    const withLogin = (command: readonly string[]): string[] => ['env', 'AWS_REGION=us-east-1', ...login, ...command];
    const fresh = (): string => `s3://${server.bucket}/${randomBytes(8).toString('hex')}`;
    const field = new Field(context.peers);
    const push = (): readonly string[] => {
      const to = `${fresh()}?endpoint=${server.endpoint}`;
      return context.clipctl('push-cache', `oci:${image.layout}`, '--to', to, '--cache-dir', cacheDir, '--json');
    };
    field.add({ name: OURS, isOurs: true, command: () => withLogin(push()) });
    addAws(context, field, (aws) => withLogin([aws, '--endpoint-url', server.endpoint, 's3', 'cp', '--quiet', layer, fresh()]));
    const standings = await interleave(field.contestants, { runs: context.runs, onRun: context.tell });
    return { ...about, standings, missing: field.missing };
  } finally {
    await server.close();
  }
}

/** Debian's awscli, also where another one comes first on the path. */
function addAws(context: BenchContext, field: Field, command: (aws: string) => readonly string[]): void {
  const aws = existsSync(DEBIAN_AWS) ? DEBIAN_AWS : context.peers.find('aws');
  if (aws === undefined) field.missing.push({ name: AWS, reason: 'aws is not installed (Debian package awscli)' });
  else field.add({ name: AWS, command: () => command(aws), printsData: true });
}
