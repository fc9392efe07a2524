/**
 * Bytes as a string: one char (U+0000..U+00FF) a byte. Paths, link targets and xattrs of an image are raw bytes and
 * need not be UTF-8; in this form they are map keys, compare by byte with `<`, and cost one byte a char in V8.
 */
declare const byteStringBrand: unique symbol;
export type ByteString = string & { readonly [byteStringBrand]: true };

export const EMPTY_BYTES = '' as ByteString;

/** The bytes of `view` as a ByteString. */
export function byteStringFromBytes(view: Uint8Array): ByteString {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('latin1') as ByteString;
}

/** The UTF-8 bytes of a JavaScript string as a ByteString. */
export function byteStringFromText(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1') as ByteString;
}

/** The raw bytes. */
export function bytesOf(value: ByteString): Buffer {
  return Buffer.from(value, 'latin1');
}

/** For people and JSON: decoded as UTF-8, invalid sequences become U+FFFD. */
export function textOf(value: ByteString): string {
  return bytesOf(value).toString('utf8');
}

/** True when `textOf` loses nothing. */
export function isUtf8(value: ByteString): boolean {
  return byteStringFromText(textOf(value)) === value;
}
