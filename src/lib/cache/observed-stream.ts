/** A stream seen from outside: when it is waited for, what came, how it ended. */
import { Readable } from 'node:stream';

export interface StreamObserver {
  /** The reader waits for bytes. @param fail ends the stream with an error */
  onAsked?(fail: (error: Error) => void): void;
  /** Bytes came, or (0) the wait is over without any. */
  onBytes?(bytes: number): void;
  onEnd?(): void;
  /** The stream failed; not called when the reader just left. */
  onFailure?(error: unknown): void;
  /** The reader left before the end. */
  onLeft?(): void;
  /** The error that the reader gets. */
  seal?(error: unknown): Error;
}

/** The same bytes. Destroying it destroys `inner`, and its close waits for that. */
export function observeStream(inner: Readable, observer: StreamObserver): Readable {
  const pieces = inner[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
  let isOver = false;
  const over = (how: () => void): void => {
    if (!isOver) how();
    isOver = true;
  };
  return new Readable({
    // One piece at a time: what waits in memory waits in `inner`.
    highWaterMark: 1,
    read() {
      observer.onAsked?.((error) => this.destroy(error));
      pieces.next().then(
        ({ done, value }) => {
          observer.onBytes?.(done === true ? 0 : value.byteLength);
          if (done === true) over(() => observer.onEnd?.());
          this.push(done === true ? null : value);
        },
        (error: unknown) => {
          observer.onBytes?.(0);
          this.destroy(observer.seal?.(error) ?? (error instanceof Error ? error : new Error(String(error))));
        },
      );
    },
    destroy(error, callback) {
      over(() => (error === null ? observer.onLeft?.() : observer.onFailure?.(error)));
      closed(inner).then(
        () => callback(error),
        () => callback(error),
      );
    },
  });
}

function closed(inner: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (inner.closed) return resolve();
    inner.once('close', resolve);
    inner.on('error', () => undefined);
    inner.destroy();
  });
}
