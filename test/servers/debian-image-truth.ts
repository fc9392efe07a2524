/** What really lies on a file system: the judge of what an index lists and a cache serves. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

export interface TrueFile {
  /** Absolute inside the image; one char a byte, as ByteString. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  /** 0..0o7777 */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file's content, else 0. */
  readonly size: number;
  /** Hex; files only. */
  readonly sha256?: string;
  /** One char a byte; symlinks only. */
  readonly target?: string;
}

/** Everything below `root` but devices, fifos and sockets, sorted by the bytes of the path. */
export async function readTruth(root: string): Promise<TrueFile[]> {
  const files: TrueFile[] = [];
  await addFolder(Buffer.from(root), Buffer.from('/'), files);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function addFolder(folder: Buffer, name: Buffer, files: TrueFile[]): Promise<void> {
  for (const child of await readdir(folder, { encoding: 'buffer' })) {
    const path = Buffer.concat([folder, Buffer.from('/'), child]);
    const childName = Buffer.concat([name, child]);
    const file = await describe(path, childName.toString('latin1'));
    if (file !== undefined) files.push(file);
    if (file?.kind === 'directory') await addFolder(path, Buffer.concat([childName, Buffer.from('/')]), files);
  }
}

async function describe(path: Buffer, name: string): Promise<TrueFile | undefined> {
  const stats = await lstat(path);
  const common = { path: name, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
  if (stats.isDirectory()) return { ...common, kind: 'directory', size: 0 };
  if (stats.isFile()) return { ...common, kind: 'file', size: stats.size, sha256: await sha256Of(path) };
  if (!stats.isSymbolicLink()) return undefined;
  return { ...common, kind: 'symlink', size: 0, target: (await readlink(path, { encoding: 'buffer' })).toString('latin1') };
}

async function sha256Of(path: Buffer): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
