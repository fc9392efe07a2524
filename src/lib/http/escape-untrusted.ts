/**
 * Text of a server for a terminal: control characters, line ends and what turns the direction of text become visible
 * escapes (RELIABILITY row 22).
 */
export function escapeUntrusted(text: string): string {
  return text.replace(UNSAFE, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}

// Cc (C0, DEL, C1), Cf (bidi, zero width), Zl and Zp (line ends), lone surrogates.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
