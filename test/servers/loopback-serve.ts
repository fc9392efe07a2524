/** Answers one GET or HEAD with a blob or manifest: Range, If-Range, ETag, and the faults a script asks for. */
import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { StoredObject } from './loopback-layout.ts';
import type { RecordedRequest } from './loopback-request.ts';

/** What goes wrong with one answer. Offsets count the bytes of the answer's body. */
export interface Fault {
  /** Answer with this status instead. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Break the connection after so many bytes. */
  readonly cutAt?: number;
  /** Break the connection after so many bytes, of all answers that it carries and their headers. */
  readonly cutConnectionAt?: number;
  /** Send so many bytes, then nothing more; the connection stays. */
  readonly stallAt?: number;
  /** After so many bytes, send one each `trickleMs`. */
  readonly trickleAt?: number;
  readonly trickleMs?: number;
  /** Send no faster than this. */
  readonly bytesPerSecond?: number;
  /** Flip the lowest bit of this byte. */
  readonly flipAt?: number;
  /** Answer 200 with everything, as if Range were unknown. */
  readonly ignoreRange?: boolean;
  /** Answer 206 with bytes from somewhere else. */
  readonly wrongRange?: boolean;
  /** Say this in Content-Range instead. */
  readonly contentRange?: string;
  /** Answer a range with so many of its bytes at most, and say so: legal (RFC 9110 §15.3.7). */
  readonly maxRangeBytes?: number;
  /** Send the body in chunks, without Content-Length. */
  readonly chunked?: boolean;
  /** Send these bytes as the body. */
  readonly replaceBody?: Buffer;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

export async function serveObject(
  object: StoredObject,
  recorded: RecordedRequest,
  { response, fault = {} }: { readonly response: ServerResponse; readonly fault: Fault | undefined },
): Promise<void> {
  const sizeBytes = fault.replaceBody?.byteLength ?? object.sizeBytes;
  const etag = `"${object.digest}"`;
  const range = fault.ignoreRange === true ? undefined : requestedRange(recorded, etag, sizeBytes);
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${sizeBytes}`, 'content-length': 0 }).end();
    return;
  }
  const asked = range === undefined ? { start: 0, end: sizeBytes } : shorten(range, fault);
  const span = shiftIfWrong(asked, fault, sizeBytes);
  const headers: Record<string, string | number> = {
    'content-type': object.mediaType,
    'docker-content-digest': object.digest,
    'accept-ranges': 'bytes',
    etag,
    ...(fault.chunked === true ? {} : { 'content-length': span.end - span.start }),
    ...(range === undefined ? {} : { 'content-range': fault.contentRange ?? `bytes ${span.start}-${span.end - 1}/${sizeBytes}` }),
    ...fault.headers,
  };
  response.writeHead(range === undefined ? 200 : 206, headers);
  if (recorded.method === 'HEAD' || span.start >= span.end) {
    response.end();
    return;
  }
  await sendBody(fault.replaceBody?.subarray(span.start, span.end) ?? object.path, span, { response, recorded, fault });
}

function requestedRange(recorded: RecordedRequest, etag: string, sizeBytes: number): Span | undefined | 'unsatisfiable' {
  const ifRange = recorded.headers['if-range'];
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  const match = /^bytes=(\d+)-(\d*)$/.exec(String(recorded.headers['range'] ?? ''));
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = match[2] === '' ? sizeBytes : Math.min(Number(match[2]) + 1, sizeBytes);
  return start < end ? { start, end } : 'unsatisfiable';
}

function shorten({ start, end }: Span, { maxRangeBytes = Infinity }: Fault): Span {
  return { start, end: Math.min(end, start + maxRangeBytes) };
}

function shiftIfWrong(span: Span, fault: Fault, sizeBytes: number): Span {
  if (fault.wrongRange !== true) return span;
  const start = span.start > 0 ? span.start - 1 : Math.min(1, sizeBytes);
  return { start, end: Math.max(start, span.end - 1) };
}

interface Sending {
  readonly response: ServerResponse;
  readonly recorded: RecordedRequest;
  readonly fault: Fault;
}

async function sendBody(source: Buffer | string, span: Span, { response, recorded, fault }: Sending): Promise<void> {
  const pieces = typeof source === 'string' ? createReadStream(source, { start: span.start, end: span.end - 1 }) : [source];
  const startedAtMs = performance.now();
  const cutAt = Math.min(fault.cutAt ?? Infinity, (fault.cutConnectionAt ?? Infinity) - (response.socket?.bytesWritten ?? 0));
  const stopAt = Math.min(cutAt, fault.stallAt ?? Infinity, fault.trickleAt ?? Infinity);
  for await (const piece of pieces as AsyncIterable<Buffer>) {
    const sent = recorded.bytesServed;
    const part = Buffer.from(piece.subarray(0, Math.max(0, Math.min(piece.byteLength, stopAt - sent))));
    const flip = (fault.flipAt ?? -1) - sent;
    if (flip >= 0 && flip < part.byteLength) part[flip] = (part[flip] ?? 0) ^ 1;
    recorded.bytesServed += part.byteLength;
    if (part.byteLength > 0 && !response.write(part)) await drained(response);
    if (fault.bytesPerSecond !== undefined) {
      const dueAtMs = startedAtMs + (recorded.bytesServed / fault.bytesPerSecond) * 1000;
      await new Promise((resolve) => setTimeout(resolve, dueAtMs - performance.now()));
    }
    if (response.destroyed) return;
    if (recorded.bytesServed >= stopAt && fault.trickleAt !== undefined)
      await trickle(piece.subarray(part.byteLength), { response, recorded, fault });
    if (recorded.bytesServed >= stopAt) return stop(response, recorded.bytesServed >= cutAt);
  }
  response.end();
}

/** Byte after byte, for as long as somebody takes them. */
async function trickle(piece: Buffer, { response, recorded, fault }: Sending): Promise<void> {
  for (let at = 0; at < piece.byteLength && !response.destroyed; at++) {
    await new Promise((resolve) => setTimeout(resolve, fault.trickleMs));
    response.write(piece.subarray(at, at + 1));
    recorded.bytesServed++;
  }
}

/** Until there is room again, or nobody left to write to. */
function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function stop(response: ServerResponse, isCut: boolean): Promise<void> {
  if (!isCut) return;
  // What was written must arrive before the connection breaks, or the cut would be at another byte.
  await new Promise((resolve) => setTimeout(resolve, 20));
  response.socket?.destroySoon();
}
