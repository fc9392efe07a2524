import { readdir, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Paths under `directory` that this process holds open. */
export async function openHandlesIn(directory: string): Promise<string[]> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(directory));
}

/** What is still open once closing has had its time. */
export async function handlesLeftIn(directory: string): Promise<string[]> {
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await openHandlesIn(directory)).length === 0) return [];
    await sleep(20);
  }
  return openHandlesIn(directory);
}
