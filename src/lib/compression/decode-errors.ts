import { ClipctlError, type ClipctlErrorOptions } from '../errors.ts';

/** The layer's bytes aren't what their format demands. */
export function corruptLayer(message: string, options: ClipctlErrorOptions = {}): ClipctlError {
  return new ClipctlError('LAYER_CORRUPT', `layer is corrupt: ${message}`, options);
}

/** What a decoder throws when it is used, or still at work, after `close`. */
export function closedError(): ClipctlError {
  return new ClipctlError('ABORTED', 'the layer decoder was closed before the layer ended');
}

/** What a sink threw, to be thrown again as it is; a thing that is no error is wrapped. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new ClipctlError('INTERNAL', 'something that is no error was thrown', { cause: thrown });
}
