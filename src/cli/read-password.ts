import { addAbortSignal, type Readable } from 'node:stream';
import { ClipctlError } from '../lib/errors.ts';

const MAX_PASSWORD_BYTES = 64 * 1024;

/**
 * Reads a password from `--password-stdin`: everything up to the end, without one final line break.
 * @param signal ends the wait and closes stdin, which would keep the process alive
 * @throws ClipctlError USAGE when it is empty, longer than 64 KiB, or stdin is a terminal that would echo it; an AbortError
 */
export async function readPassword(stdin: Readable & { readonly isTTY?: boolean }, signal: AbortSignal): Promise<string> {
  if (stdin.isTTY === true) {
    throw new ClipctlError('USAGE', '--password-stdin reads a pipe, and stdin is a terminal', {
      hint: 'Pipe the password in: printf %s "$TOKEN" | clipctl … --password-stdin',
    });
  }
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of addAbortSignal(signal, stdin)) {
    const buffer = Buffer.from(piece as Uint8Array);
    bytes += buffer.length;
    if (bytes > MAX_PASSWORD_BYTES) throw new ClipctlError('USAGE', 'the password on stdin is longer than 64 KiB');
    pieces.push(buffer);
  }
  const password = Buffer.concat(pieces)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password === '') throw new ClipctlError('USAGE', '--password-stdin: stdin is empty');
  return password;
}
