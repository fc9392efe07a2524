/** `2026-11-23` of an ISO time, in UTC; `-` where none is known. */
export function formatDay(time: string | undefined): string {
  return time === undefined ? '-' : time.slice(0, 10);
}
