import { crc32 } from 'node:zlib';
import { corruptLayer } from '../decode-errors.ts';

const FIXED_BYTES = 10;
const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;
/** Go's compress/gzip reads name and comment into 512 bytes, the zero included, and refuses longer ones. */
const MAX_TEXT_BYTES = 511;

type Part = 'fixed' | 'extraLength' | 'extra' | 'name' | 'comment' | 'headerCrc' | 'end';

/**
 * The header of a gzip member (RFC 1952 §2.3), taken in pieces of any size. Judged as Go's compress/gzip does, and
 * reserved flags are refused as the RFC asks and zlib does.
 */
export class GzipHeader {
  #part: Part = 'fixed';
  /** Bytes taken of the part at hand. */
  #taken = 0;
  #flags = 0;
  #number = 0;
  #crc = 0;

  /** Nothing of it came yet. */
  get isUntouched(): boolean {
    return this.#part === 'fixed' && this.#taken === 0;
  }

  get isComplete(): boolean {
    return this.#part === 'end';
  }

  reset(): void {
    this.#part = 'fixed';
    this.#taken = 0;
    this.#crc = 0;
  }

  /**
   * @returns how many of the bytes belong to the header
   * @throws ClipctlError LAYER_CORRUPT
   */
  push(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && this.#part !== 'headerCrc' && this.#part !== 'end') this.#take(bytes[at++]!);
    this.#crc = crc32(bytes.subarray(0, at), this.#crc);
    while (at < bytes.length && this.#part === 'headerCrc') this.#take(bytes[at++]!);
    return at;
  }

  #take(byte: number): void {
    switch (this.#part) {
      case 'fixed':
        return this.#takeFixed(byte);
      case 'extraLength':
        return this.#takeNumber(byte, () => this.#enter(this.#number > 0 ? 'extra' : 'name'));
      case 'extra':
        if (++this.#taken === this.#number) this.#enter('name');
        return;
      case 'name':
      case 'comment':
        return this.#takeText(byte);
      case 'headerCrc':
        return this.#takeNumber(byte, () => this.#checkCrc());
      case 'end':
    }
  }

  #takeFixed(byte: number): void {
    const at = this.#taken++;
    if ((at === 0 && byte !== 0x1f) || (at === 1 && byte !== 0x8b)) throw corruptLayer('gzip: incorrect header check');
    if (at === 2 && byte !== 8) throw corruptLayer('gzip: unknown compression method');
    if (at === 3) this.#flags = byte;
    if (at === 3 && (byte & FLAG.reserved) !== 0) throw corruptLayer('gzip: unknown header flags set');
    if (this.#taken === FIXED_BYTES) this.#enter((this.#flags & FLAG.extra) !== 0 ? 'extraLength' : 'name');
  }

  #takeNumber(byte: number, onComplete: () => void): void {
    this.#number = this.#taken === 0 ? byte : this.#number | (byte << 8);
    if (++this.#taken === 2) onComplete();
  }

  #takeText(byte: number): void {
    if (byte === 0) this.#enter(this.#part === 'name' ? 'comment' : 'headerCrc');
    else if (++this.#taken > MAX_TEXT_BYTES) throw corruptLayer('gzip: a name or comment of over 511 bytes');
  }

  #checkCrc(): void {
    if (this.#number !== (this.#crc & 0xffff)) throw corruptLayer('gzip: header crc mismatch');
    this.#enter('end');
  }

  /** Goes on with the next part that the flags say is there. */
  #enter(part: Part): void {
    let next = part;
    if (next === 'name' && (this.#flags & FLAG.name) === 0) next = 'comment';
    if (next === 'comment' && (this.#flags & FLAG.comment) === 0) next = 'headerCrc';
    if (next === 'headerCrc' && (this.#flags & FLAG.headerCrc) === 0) next = 'end';
    this.#part = next;
    this.#taken = 0;
  }
}
