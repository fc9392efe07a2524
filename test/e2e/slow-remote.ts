/** RELIABILITY §2 row 17: a warm into a remote that takes less than the decoder gives. */
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WarmResult } from '../../src/lib/operations/results.ts';
import { startScriptedS3 } from '../servers/scripted-s3.ts';
import { startThrottle } from '../servers/throttle.ts';
import type { CliResult, Home } from './run-cli.ts';

const BYTES_PER_SECOND = 10_000_000;

export interface SlowWarm {
  readonly result: CliResult;
  readonly document: WarmResult;
  /** What the remote had been given when the last layer stood on disk, and in the end. */
  readonly sentBytes: { readonly whenWarm: number; readonly inAll: number };
}

export interface SlowWarmOptions {
  readonly reference: string;
  readonly layers: number;
  readonly jobs: number;
}

/** Warms an image, and fills a remote of 10 MB/s with it. @throws SyntaxError when the command printed no document */
export async function warmIntoSlowRemote(home: Home, { reference, layers, jobs }: SlowWarmOptions): Promise<SlowWarm> {
  const server = await startScriptedS3({ isSink: true });
  const line = await startThrottle(Number(new URL(server.endpoint).port), BYTES_PER_SECOND);
  try {
    const url = `s3://${server.bucket}/slow?endpoint=http://127.0.0.1:${line.port}`;
    const args = ['warm', reference, '--to', url, '--jobs', String(jobs), '--json'];
    const state = { isOver: false };
    const running = home.run(args, { env: server.environment, hangMs: 600_000 }).finally(() => (state.isOver = true));
    while (!state.isOver && (await layersOnDisk(home)) < layers) await sleep(20);
    const whenWarm = line.upBytes();
    const result = await running;
    return { result, document: result.json<WarmResult>(), sentBytes: { whenWarm, inAll: line.upBytes() } };
  } finally {
    await line.close();
    await server.close();
  }
}

async function layersOnDisk({ cacheDir }: Home): Promise<number> {
  const names = await readdir(cacheDir).catch((): string[] => []);
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).length;
}
