import { Readable } from 'node:stream';

/**
 * A stream of what a generator gives. A reader that leaves aborts `abandon` first: it must not wait for a byte that may
 * never come.
 */
export function generatedStream(pieces: AsyncGenerator<Buffer, void, undefined>, abandon: AbortController): Readable {
  return new Readable({
    read() {
      pieces.next().then(
        ({ done, value }) => this.push(done === true ? null : value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      abandon.abort(error ?? new DOMException('the reader left', 'AbortError'));
      pieces.return(undefined).then(
        () => callback(error),
        () => callback(error),
      );
    },
  });
}
