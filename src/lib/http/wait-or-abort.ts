import { setMaxListeners } from 'node:events';

/**
 * Waits for work that is shared with others: an abort ends this wait, not the work.
 * @throws what the work throws, or the signal's reason
 */
export async function waitOrAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Told to stop already, nobody here hears how it ends: that must not end the process.
  work.catch(() => undefined);
  signal.throwIfAborted();
  // Every request under way waits here; Node would warn of a leak at eleven.
  setMaxListeners(0, signal);
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
