/** Figures for people: IEC sizes, times, counts. JSON has integers instead. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `0 B`, `999 B`, `3.5 MiB`: one decimal from KiB on. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  // 1023.95 would print as 1024.0 of the smaller unit.
  while (amount >= 1023.95 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${amount.toFixed(1)} ${UNITS[unit]}`;
}

/** `85 ms`, `2.1 s`, `3 min 04 s`, `1 h 02 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))} min`;
}

/** `1 layer`, `3 layers`, `1 entry`, `2 entries`. */
export function count(amount: number, noun: string, plural = `${noun}s`): string {
  return `${amount} ${amount === 1 ? noun : plural}`;
}

/** Whole percent; 100 only when it is all, so that "100%" is never a lie. */
export function formatPercent(part: number, whole: number): string {
  if (whole <= 0) return '100%';
  return `${part >= whole ? 100 : Math.min(99, Math.floor((part / whole) * 100))}%`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
