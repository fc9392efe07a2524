import { readFile, readlink } from 'node:fs/promises';
import { pack, type Header, type Pack } from 'tar-stream';
import { absentIfUnreadable, type ChosenFile } from './choose-files.ts';

/** A layer's tar of these files, whose content is read when its turn comes; `extra` comes last: whiteouts, small files of ours. */
export function packFiles(
  files: AsyncIterable<ChosenFile>,
  extra: readonly { name: string; content: string }[] = [],
): AsyncIterable<Uint8Array> {
  const tar = pack();
  addAll(tar, files, extra).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  // streamx declares its iterator as one of `unknown`.
  return tar as AsyncIterable<unknown> as AsyncIterable<Uint8Array>;
}

async function addAll(
  tar: Pack,
  files: AsyncIterable<ChosenFile>,
  extra: readonly { name: string; content: string }[],
): Promise<void> {
  const linked = new Map<string, string>();
  for await (const file of files) await addFile(tar, file, linked);
  for (const { name, content } of extra) await addEntry(tar, { name, mode: 0o644, mtime: new Date(0) }, Buffer.from(content));
}

/** Names of one inode after the first are hard links; `linked` maps an inode to its first name. */
async function addFile(tar: Pack, file: ChosenFile, linked: Map<string, string>): Promise<void> {
  const { stats, name } = file;
  const common = { name, mode: stats.mode & 0o7777, mtime: stats.mtime, uid: stats.uid, gid: stats.gid };
  if (stats.isDirectory()) return addEntry(tar, { ...common, type: 'directory' });
  if (stats.isSymbolicLink()) return addEntry(tar, { ...common, type: 'symlink', linkname: await readlink(file.path) });
  if (!stats.isFile()) return;
  const inode = `${stats.dev}:${stats.ino}`;
  const first = linked.get(inode);
  if (first !== undefined) return addEntry(tar, { ...common, type: 'link', linkname: first });
  const content = await readFile(file.path).catch(absentIfUnreadable);
  if (content === undefined) return;
  if (stats.nlink > 1) linked.set(inode, name);
  return addEntry(tar, common, content);
}

/** Waits until the consumer has taken the entry: the tar is never ahead of it by more than one file. */
function addEntry(tar: Pack, header: Partial<Header> & { name: string }, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (content === undefined) tar.entry(header, done);
    else tar.entry({ ...header, size: content.length }, content, done);
  });
}
