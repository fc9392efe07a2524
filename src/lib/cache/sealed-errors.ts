/** The last wall of a remote: what crosses the contract is an error of ours and shows no secret. */
import type { Readable } from 'node:stream';
import { ClipctlError, isAbort } from '../errors.ts';
import { redactText } from '../redact.ts';
import type { ContentCache } from './content-cache.ts';
import { intercept } from './intercept.ts';
import { observeStream } from './observed-stream.ts';

/** Errors of ours and aborts pass; anything else becomes REMOTE_FAILED, without its cause, which may hold anything. */
export function sealErrors(inner: ContentCache): ContentCache {
  const { url } = inner;
  const seal = (error: unknown): unknown => sealed(url, error);
  const run = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw seal(error);
    }
  };
  return intercept(inner, {
    look: (signal, call) => run(() => call(signal)),
    read: async (signal, open) => {
      const stream = await run(() => open(signal));
      return stream === undefined ? undefined : sealedStream(stream, url);
    },
    write: ({ signal, send }) => run(() => send({ signal })),
  });
}

function sealedStream(stream: Readable, url: string): Readable {
  return observeStream(stream, { seal: (error) => sealed(url, error) });
}

function sealed(url: string, error: unknown): Error {
  if (error instanceof ClipctlError) return error;
  if (error instanceof Error && isAbort(error)) return error;
  const reason = redactText(error instanceof Error ? error.message : String(error)).slice(0, 300);
  return new ClipctlError('REMOTE_FAILED', `remote cache ${url} failed: ${reason}`, { details: { url } });
}
