/**
 * Looks at what a Redis server sends (RESP2) before the client's parser does, which would believe any length: no reply
 * may be larger than anything that was asked for.
 */
import type { Socket } from 'node:net';
import { ClipctlError } from '../../../errors.ts';

/** Status, error or number; Redis itself cuts errors at far less. */
const MAX_LINE_BYTES = 16 * 1024;
/** The longest answer asked for is a 64 KiB range. */
const MAX_BULK_BYTES = 64 * 1024;
/** One number for each chunk and command of a transaction. */
const MAX_ELEMENTS = 1 << 22;
const MAX_DEPTH = 4;
/** A page of SCAN, the numbers of a transaction. */
const MAX_REPLY_BYTES = 32 * 1024 * 1024;

const NO_REPLY = 'something that is no Redis reply';
/** Of RESP2. */
const TYPES: ReadonlySet<string | undefined> = new Set(['+', '-', ':', '$', '*']);
const LF = 0x0a;
const LENGTH = /^(?:-1|[0-9]{1,15})\r$/;

/** Follows replies across any cuts. Holds a line at most. */
export class ReplyGuard {
  /** The line that has begun. */
  #line = '';
  #bulkLeftBytes = 0;
  /** Elements still to come of each open array, outermost first. */
  readonly #open: number[] = [];
  #replyBytes = 0;

  /** What is wrong with these bytes, the next of the connection; undefined when nothing is. */
  problemOf({ buffer, byteOffset, byteLength }: Uint8Array): string | undefined {
    const bytes = Buffer.from(buffer, byteOffset, byteLength);
    this.#replyBytes += bytes.length;
    for (let at = 0; at < bytes.length;) {
      if (this.#bulkLeftBytes > 0) {
        const skipped = Math.min(this.#bulkLeftBytes, bytes.length - at);
        this.#bulkLeftBytes -= skipped;
        at += skipped;
        if (this.#bulkLeftBytes === 0) this.#endElement();
        continue;
      }
      const end = bytes.indexOf(LF, at);
      const lineEnd = end < 0 ? bytes.length : end;
      if (this.#line.length + lineEnd - at > MAX_LINE_BYTES) return 'a line that does not end';
      this.#line += bytes.toString('latin1', at, lineEnd);
      if (this.#line !== '' && !TYPES.has(this.#line[0])) return NO_REPLY;
      if (end < 0) break;
      const problem = this.#takeLine(this.#line);
      if (problem !== undefined) return problem;
      this.#line = '';
      at = end + 1;
    }
    return this.#replyBytes > MAX_REPLY_BYTES ? 'a reply that does not end' : undefined;
  }

  #takeLine(line: string): string | undefined {
    const type = line[0];
    if (type === '+' || type === '-' || type === ':') return this.#endElement();
    if (type !== '$' && type !== '*') return NO_REPLY;
    const length = LENGTH.test(line.slice(1)) ? Number(line.slice(1)) : Number.NaN;
    if (Number.isNaN(length)) return 'a length that is none';
    if (type === '*') return this.#openArray(length);
    if (length > MAX_BULK_BYTES) return `a value of ${length} bytes`;
    // The value ends with CR LF.
    if (length < 0) return this.#endElement();
    this.#bulkLeftBytes = length + 2;
    return undefined;
  }

  #openArray(length: number): string | undefined {
    if (length > MAX_ELEMENTS) return `an array of ${length} elements`;
    if (this.#open.length >= MAX_DEPTH) return 'arrays within arrays';
    if (length <= 0) return this.#endElement();
    this.#open.push(length);
    return undefined;
  }

  #endElement(): undefined {
    for (let left = this.#open.pop(); left !== undefined; left = this.#open.pop()) {
      if (left > 1) {
        this.#open.push(left - 1);
        return undefined;
      }
    }
    this.#replyBytes = 0;
    return undefined;
  }
}

/** Ends the connection with REMOTE_FAILED before anybody reads what is wrong. `push` is how Node hands over what came, TLS or not. */
export function guardReplies(socket: Socket, host: string): void {
  const guard = new ReplyGuard();
  const push = socket.push.bind(socket);
  socket.push = (bytes: unknown, encoding?: BufferEncoding): boolean => {
    const problem = bytes instanceof Uint8Array ? guard.problemOf(bytes) : undefined;
    if (problem === undefined) return push(bytes, encoding);
    socket.destroy(
      new ClipctlError('REMOTE_FAILED', `${host} sent ${problem}`, {
        details: { host },
        hint: 'Check that a Redis server answers there.',
        retryable: false,
      }),
    );
    return false;
  };
}
