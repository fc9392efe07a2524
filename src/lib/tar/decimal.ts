const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_INT64_DIGITS = 19;

/**
 * A decimal number as Go's `strconv.ParseInt(text, 10, 64)` reads it, from `text[start, end)`: an optional sign and digits, nothing
 * else. NaN when it is none or exceeds int64; ±Infinity for an int64 that a JavaScript number can't hold exactly.
 */
export function parseDecimal(text: string, start = 0, end = text.length): number {
  const first = text.charCodeAt(start);
  const isNegative = first === 0x2d;
  const digitsStart = isNegative || first === 0x2b ? start + 1 : start;
  if (digitsStart >= end) return NaN;
  let value = 0;
  for (let at = digitsStart; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return NaN;
    value = value * 10 + digit;
  }
  if (value <= Number.MAX_SAFE_INTEGER) return isNegative ? 0 - value : value;
  return beyondSafe(isNegative, text.slice(digitsStart, end));
}

function beyondSafe(isNegative: boolean, digits: string): number {
  const significant = digits.replace(/^0+/, '');
  if (significant.length > MAX_INT64_DIGITS) return NaN;
  const magnitude = BigInt(significant);
  if (isNegative) return magnitude > -MIN_INT64 ? NaN : -Infinity;
  return magnitude > MAX_INT64 ? NaN : Infinity;
}
