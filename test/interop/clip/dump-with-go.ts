/** Reads `.clip` files with Go's standard library: the proof that what we write is what Go CLIP reads. */
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_DUMP_BYTES = 1024 * 1024 * 1024;

/** What `reader/main.go` prints: the form of the recorded `go.dump.json`. */
export interface GoDump {
  readonly header: {
    readonly startBytes: string;
    readonly version: number;
    readonly indexPos: number;
    readonly indexLength: number;
    readonly storageInfoPos: number;
    readonly storageInfoLength: number;
    readonly storageInfoType: string;
  };
  readonly nodeCount: number;
  readonly storageInfoTypeName: string;
  readonly storageInfo: unknown;
  readonly nodes: readonly unknown[];
}

/** The file as Go's `encoding/gob` reads it; rejects when Go refuses it. */
export async function dumpWithGo(clipPath: string): Promise<GoDump> {
  const { stdout } = await run(await goReader(), ['dump', clipPath], {
    maxBuffer: MAX_DUMP_BYTES,
    env: { ...process.env, TZ: 'UTC' },
  });
  return JSON.parse(stdout) as GoDump;
}

/** Reads a file with Go and writes it again with Go's own encoder. */
export async function reencodeWithGo(clipPath: string, outPath: string): Promise<void> {
  await run(await goReader(), ['reencode', clipPath, outPath]);
}

let building: Promise<string> | undefined;

/** Built once a test process; needs `go`, and no network. */
function goReader(): Promise<string> {
  building ??= buildReader();
  return building;
}

async function buildReader(): Promise<string> {
  const binary = join(await mkdtemp(join(tmpdir(), 'clipctl-clipreader-')), 'clipreader');
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' };
  await run('go', ['build', '-o', binary, '.'], { cwd: join(import.meta.dirname, 'reader'), env });
  return binary;
}
