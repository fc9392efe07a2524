const FIRST_PIECE_BYTES = 512;
const MAX_PIECE_BYTES = 64 * 1024;

/** Collects bytes in pieces of at most 64 KiB (a longer single value gets a piece of its own), so that growing never copies. */
export class ByteWriter {
  readonly #pieces: Uint8Array[] = [];
  #closedBytes = 0;
  #current = Buffer.allocUnsafe(FIRST_PIECE_BYTES);
  #view = viewOf(this.#current);
  #used = 0;

  get byteLength(): number {
    return this.#closedBytes + this.#used;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#current[this.#used++] = value;
  }

  /** `width` 1..6 bytes. */
  bigEndian(value: number, width: number): void {
    this.#reserve(width);
    if (width > 4) this.#used = this.#current.writeUIntBE(value, this.#used, width);
    else for (let shift = 8 * (width - 1); shift >= 0; shift -= 8) this.#current[this.#used++] = value >>> shift;
  }

  bigEndian64(value: bigint): void {
    this.#reserve(8);
    this.#view.setBigUint64(this.#used, value);
    this.#used += 8;
  }

  /** Chars U+0000..U+00FF as bytes. */
  latin1(value: string): void {
    this.#reserve(value.length);
    this.#used += this.#current.write(value, this.#used, 'latin1');
  }

  utf8(value: string, byteLength: number): void {
    this.#reserve(byteLength);
    this.#used += this.#current.write(value, this.#used, 'utf8');
  }

  view(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#current.set(bytes, this.#used);
    this.#used += bytes.byteLength;
  }

  /** Takes over the pieces of another writer. */
  append(other: ByteWriter): void {
    this.#close(FIRST_PIECE_BYTES);
    for (const piece of other.pieces()) {
      this.#pieces.push(piece);
      this.#closedBytes += piece.byteLength;
    }
  }

  pieces(): readonly Uint8Array[] {
    return this.#used === 0 ? this.#pieces : [...this.#pieces, this.#current.subarray(0, this.#used)];
  }

  toBytes(): Uint8Array {
    const all = new Uint8Array(this.byteLength);
    let offset = 0;
    for (const piece of this.pieces()) {
      all.set(piece, offset);
      offset += piece.byteLength;
    }
    return all;
  }

  #reserve(bytes: number): void {
    if (this.#current.byteLength - this.#used >= bytes) return;
    this.#close(Math.max(bytes, Math.min(MAX_PIECE_BYTES, this.#current.byteLength * 2)));
  }

  #close(nextBytes: number): void {
    if (this.#used > 0) {
      this.#pieces.push(this.#current.subarray(0, this.#used));
      this.#closedBytes += this.#used;
    }
    this.#current = Buffer.allocUnsafe(nextBytes);
    this.#view = viewOf(this.#current);
    this.#used = 0;
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
