/**
 * Lists the entries of a decompressed tar while its bytes pass by, in pieces of any size. Payloads are skipped by arithmetic and never
 * copied. What is accepted, refused and listed is what Go's `archive/tar` Reader.Next accepts, refuses and lists, because Go CLIP reads
 * layers with it and a second opinion on a tar is an attack (CVE-2025-62518, CVE-2026-53655). test/tar/go-verdicts.json holds the proof.
 */
import { BLOCK_BYTES, isZeroBlock } from './block.ts';
import { MemberReader, type MemberStep } from './member-reader.ts';
import { atTarOffset, invalidTar } from './refusal.ts';
import { DEFAULT_TAR_LIMITS, type TarScannerOptions, type TarScanResult } from './scan-result.ts';

/** What the next byte is part of. */
type ScanState = 'header' | 'second-zero' | 'end' | MemberStep;

/** A synchronous sink: `write` every byte of the tar, then `finish`. After a throw it throws the same again. */
export class TarScanner {
  readonly #reader: MemberReader;
  /** A block that came in more than one piece. */
  readonly #carry = Buffer.alloc(BLOCK_BYTES);
  #carriedBytes = 0;
  /** A special header that came in more than one piece; at most `maxHeaderBytes` long. */
  #special: Buffer | undefined;
  #specialBytes = 0;
  #state: ScanState = 'header';
  /** Place in the tar of the next byte, and of the member it belongs to. */
  #offset = 0;
  #memberOffset = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: TarScannerOptions) {
    this.#reader = new MemberReader(options.onEntry, { ...DEFAULT_TAR_LIMITS, ...options.limits });
  }

  /** The next bytes; `view` is not kept. Throws `TAR_INVALID`, `LIMIT_HEADER`, `LIMIT_ENTRIES`, and what `onEntry` throws. */
  write(view: Uint8Array): void {
    this.#guard(() => this.#consume(Buffer.from(view.buffer, view.byteOffset, view.byteLength)));
  }

  /** Bytes from here on that no verdict depends on: who can seek passes over them with {@link skip}. */
  get skippableBytes(): number {
    return this.#state === 'payload' ? this.#reader.payloadBytes + this.#reader.paddingBytes : 0;
  }

  /** Passes over at most `skippableBytes`, as if they had been written. */
  skip(bytes: number): void {
    this.#guard(() => this.#skipPayload(Math.min(bytes, this.skippableBytes)));
  }

  /** The end marker was read: what follows is no part of the tar. */
  get isAtEnd(): boolean {
    return this.#state === 'end';
  }

  /** The tar is over. Throws `TAR_INVALID` when it stops inside a block, a header or a payload. */
  finish(): TarScanResult {
    this.#guard(() => this.#refuseCut());
    const { entryCount, ignored, globalHeaderCount } = this.#reader;
    const hasEndMarker = this.#state === 'end';
    return { entryCount, ignored, globalHeaderCount, hasEndMarker, uncompressedBytes: this.#offset };
  }

  #guard(action: () => void): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      action();
    } catch (error) {
      this.#failure = { error: atTarOffset(error, this.#memberOffset) };
      throw this.#failure.error;
    }
  }

  #consume(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const passed = this.#pass(bytes, at);
      at += passed;
    }
  }

  /** Takes some bytes from `at` on and says how many. */
  #pass(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'payload':
        return this.#skipPayload(bytes.length - at);
      case 'special':
        return this.#collectSpecial(bytes, at);
      case 'end':
        this.#offset += bytes.length - at;
        return bytes.length - at;
      default:
        return this.#passBlock(bytes, at);
    }
  }

  #passBlock(bytes: Buffer, at: number): number {
    const available = bytes.length - at;
    if (this.#carriedBytes === 0 && available >= BLOCK_BYTES) {
      this.#offset += BLOCK_BYTES;
      this.#readBlock(bytes, at);
      return BLOCK_BYTES;
    }
    const passed = Math.min(available, BLOCK_BYTES - this.#carriedBytes);
    bytes.copy(this.#carry, this.#carriedBytes, at, at + passed);
    this.#carriedBytes += passed;
    this.#offset += passed;
    if (this.#carriedBytes === BLOCK_BYTES) {
      this.#carriedBytes = 0;
      this.#readBlock(this.#carry, 0);
    }
    return passed;
  }

  #readBlock(block: Buffer, start: number): void {
    if (this.#state === 'old-sparse') this.#enter(this.#reader.readOldSparse(block, start, this.#offset));
    else if (this.#state === 'payload-sparse') this.#enter(this.#reader.readPayloadSparse(block, start, this.#offset));
    else this.#readHeaderBlock(block, start);
  }

  #readHeaderBlock(block: Buffer, start: number): void {
    if (this.#state === 'header') this.#memberOffset = this.#offset - BLOCK_BYTES;
    const isZero = block[start] === 0 && isZeroBlock(block, start);
    if (this.#state === 'second-zero') {
      if (!isZero) throw invalidTar('end-marker', 'a zero block is followed by another header');
      this.#state = 'end';
    } else if (isZero) {
      this.#state = 'second-zero';
    } else {
      this.#enter(this.#reader.readHeader(block, start, this.#offset));
    }
  }

  /** States that want no bytes are left at once, so that a tar may stop there. */
  #enter(step: MemberStep): void {
    this.#state = step;
    if (step === 'special' && this.#reader.payloadBytes === 0) this.#closeSpecial(Buffer.alloc(0));
    else if (step === 'payload') this.#leaveEmptyPayload();
  }

  #leaveEmptyPayload(): void {
    if (this.#reader.payloadBytes === 0 && this.#reader.paddingBytes === 0) this.#state = 'header';
  }

  #skipPayload(available: number): number {
    const reader = this.#reader;
    const payloadBytes = Math.min(available, reader.payloadBytes);
    const paddingBytes = Math.min(available - payloadBytes, reader.paddingBytes);
    reader.payloadBytes -= payloadBytes;
    reader.paddingBytes -= paddingBytes;
    this.#offset += payloadBytes + paddingBytes;
    this.#leaveEmptyPayload();
    return payloadBytes + paddingBytes;
  }

  #collectSpecial(bytes: Buffer, at: number): number {
    const wholeBytes = this.#reader.payloadBytes;
    if (this.#special === undefined && bytes.length - at >= wholeBytes) {
      this.#offset += wholeBytes;
      this.#closeSpecial(bytes.subarray(at, at + wholeBytes));
      return wholeBytes;
    }
    this.#special ??= Buffer.alloc(wholeBytes);
    const passed = bytes.copy(
      this.#special,
      this.#specialBytes,
      at,
      Math.min(bytes.length, at + wholeBytes - this.#specialBytes),
    );
    this.#specialBytes += passed;
    this.#offset += passed;
    if (this.#specialBytes === wholeBytes) this.#closeSpecial(this.#special);
    return passed;
  }

  #closeSpecial(content: Buffer): void {
    this.#special = undefined;
    this.#specialBytes = 0;
    this.#reader.readSpecial(content);
    this.#enter('payload');
  }

  /** A tar may stop at a block border and inside padding, nowhere else. */
  #refuseCut(): void {
    const isCut = this.#carriedBytes > 0 || this.#isInsideMember();
    if (isCut) throw invalidTar('cut', 'the tar stops in the middle of a member');
  }

  #isInsideMember(): boolean {
    if (this.#state === 'payload') return this.#reader.payloadBytes > 0;
    return this.#state === 'special' || this.#state === 'old-sparse' || this.#state === 'payload-sparse';
  }
}
