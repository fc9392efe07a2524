import type { ByteString } from '../byte-string.ts';
import { clipInvalid } from './clip-invalid.ts';

/** Strings worth keeping once: node types and layer digests come again with every node. */
const MAX_INTERNED = 1024;

/**
 * A place in the bytes of a `.clip` file. Reading past `limit` is refused before anything is allocated, and every
 * error names the field (`where`) and the offset in the file.
 */
export class ByteCursor {
  readonly bytes: Buffer;
  /** What is read now; the readers of structs keep it up to date. */
  where: string;
  position = 0;
  /** End of the message or section that is read now. */
  limit: number;
  readonly #baseOffset: number;
  readonly #interned = new Map<string, string>();

  /** `baseOffset`: where `bytes` starts in the file. */
  constructor(bytes: Uint8Array, where: string, baseOffset: number) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.limit = bytes.byteLength;
    this.where = where;
    this.#baseOffset = baseOffset;
  }

  get remaining(): number {
    return this.limit - this.position;
  }

  /** Offset in the file. */
  get offset(): number {
    return this.#baseOffset + this.position;
  }

  /** @throws ClipctlError CLIP_INVALID, always */
  fail(what: string): never {
    throw clipInvalid(`${this.where}: ${what} (offset ${this.offset})`, { field: this.where, offset: this.offset });
  }

  takeByte(): number {
    const byte = this.bytes[this.position];
    if (byte === undefined || this.position >= this.limit) return this.fail('ends too early');
    this.position += 1;
    return byte;
  }

  /** Moves on by `length` bytes and returns where they start in `bytes`. */
  advance(length: number): number {
    if (length > this.remaining) this.fail(`${length} bytes are announced, ${this.remaining} are left`);
    const start = this.position;
    this.position += length;
    return start;
  }

  /** A view, no copy. */
  takeView(length: number): Uint8Array {
    const start = this.advance(length);
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length);
  }

  takeText(length: number): string {
    const start = this.advance(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  takeByteString(length: number): ByteString {
    const start = this.advance(length);
    return this.bytes.toString('latin1', start, start + length) as ByteString;
  }

  /** Like `takeText`, for the same few values again and again: equal texts share one string. */
  takeRepeatedText(length: number): string {
    const text = this.takeText(length);
    const known = this.#interned.get(text);
    if (known !== undefined) return known;
    if (this.#interned.size < MAX_INTERNED) this.#interned.set(text, text);
    return text;
  }
}
