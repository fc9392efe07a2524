import { readFileSync } from 'node:fs';

/**
 * The most resident memory that this process had, in bytes. Linux counts into getrusage's maximum what whoever started us
 * had, from before exec; VmHWM of proc(5) is our own.
 */
export function peakRssBytes(): number {
  const own = /^VmHWM:\s+([0-9]+) kB$/m.exec(ownStatus())?.[1];
  return (own === undefined ? process.resourceUsage().maxRSS : Number(own)) * 1024;
}

/** Empty where there is no /proc. */
function ownStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8');
  } catch {
    return '';
  }
}
