import { readFileSync } from 'node:fs';

/**
 * The most memory this program has had resident, in bytes. Linux counts into getrusage's figure what the process had
 * been before it became this program, so /proc is asked where there is one.
 */
export function peakRssBytes(): number {
  const kib = process.platform === 'linux' ? highWaterMark() : undefined;
  return (kib ?? process.resourceUsage().maxRSS) * 1024;
}

function highWaterMark(): number | undefined {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
    return kib === undefined ? undefined : Number(kib);
  } catch {
    // No /proc in this container: the other figure is at most too large.
    return undefined;
  }
}
