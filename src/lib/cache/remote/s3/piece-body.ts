/** The body of a request whose bytes lie in leased memory: a piece is lent until the next one is asked for. */
import { Readable } from 'node:stream';
import { ClipctlError } from '../../../errors.ts';

/** A socket that took so little may say that it wants more while it still holds the bytes; such ends are copied. */
const COPY_BYTES = 64 * 1024;
/** A piece goes to the socket in slices: each that goes out shows that the connection is alive. */
const SLICE_BYTES = 256 * 1024;

/**
 * What the SDK is given as a body. It is a Readable only because the SDK takes no other stream: Node's streams would
 * read ahead into memory that is not theirs any more. The request handler takes `pieces()`.
 */
export class PieceBody extends Readable {
  readonly #open: () => AsyncIterable<Uint8Array>;
  #failure: { readonly error: unknown } | undefined;

  constructor(open: () => AsyncIterable<Uint8Array>) {
    super();
    this.#open = open;
  }

  /** Why the pieces ended early: what the connection says then is only a consequence. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const piece of this.#open()) yield* slicesOf(piece);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  override _read(): void {
    this.destroy(new ClipctlError('INTERNAL', 'the body of an S3 request was read as a stream'));
  }
}

function* slicesOf(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < piece.length; at += SLICE_BYTES) {
    const slice = piece.subarray(at, at + SLICE_BYTES);
    yield slice.length > COPY_BYTES ? slice : Buffer.from(slice);
  }
}
