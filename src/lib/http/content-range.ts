/** Content-Range of a 206 answer (RFC 9110 §14.4). */

export interface ContentRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Size of the whole; undefined for `*`. */
  readonly totalBytes: number | undefined;
}

/** undefined for what is no byte range of a representation, or contradicts itself. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match =
    value !== undefined && value.length <= 80 ? /^bytes ([0-9]{1,16})-([0-9]{1,16})\/([0-9]{1,16}|\*)$/.exec(value) : null;
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const totalBytes = match[3] === '*' ? undefined : Number(match[3]);
  const isSound = Number.isSafeInteger(end) && start < end && (totalBytes === undefined || end <= totalBytes);
  return isSound ? { start, end, totalBytes } : undefined;
}
