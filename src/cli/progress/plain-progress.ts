import { shortDigest } from '../../lib/oci/digest.ts';
import type { ProgressEvent } from '../../lib/pipeline/progress.ts';
import { redactText } from '../../lib/redact.ts';
import { escapeText } from '../escape.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { OutputStream } from '../terminal.ts';
import type { ProgressRenderer } from './renderer.ts';
import { TransferState } from './transfer-state.ts';

/** One line of totals so often: a CI log wants a sign of life, not a film. */
const INTERVAL_MS = 10_000;

/** For logs: a line where a layer starts and ends, and the totals every ten seconds. ASCII only. */
export class PlainProgress implements ProgressRenderer {
  readonly #stream: OutputStream;
  readonly #state = new TransferState(performance.now());
  readonly #timer: NodeJS.Timeout;
  readonly #verbose: boolean;

  constructor(stream: OutputStream, verbose: boolean, intervalMs: number = INTERVAL_MS) {
    this.#stream = stream;
    this.#verbose = verbose;
    this.#timer = setInterval(() => this.#totals(), intervalMs);
    this.#timer.unref();
  }

  onEvent(event: ProgressEvent): void {
    this.#state.add(event);
    const line = describeEvent(event, this.#verbose);
    if (line !== undefined) this.#line(line);
  }

  warn(message: string): void {
    this.#line(`warning: ${escapeText(message, { ascii: true })}`);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #totals(): void {
    if (this.#state.layers === 0) return;
    this.#line(`progress ${this.#state.describe(performance.now()).join(', ')}`);
  }

  #line(text: string): void {
    this.#stream.write(`${text}\n`);
  }
}

/** One line for an event; `undefined` where nothing is worth a line. */
export function describeEvent(event: ProgressEvent, verbose: boolean): string | undefined {
  switch (event.type) {
    case 'image':
      return `image ${safe(event.image)} ${safe(event.platform)}: ${count(event.layers, 'layer')}, ${formatSize(event.totalBytes)}`;
    case 'layer-start':
      return `start ${shortDigest(event.layer)} ${event.action} ${formatSize(event.totalBytes)} ${event.action === 'push' ? 'to' : 'from'} ${safe(event.from)}`;
    case 'layer-done':
      return `done  ${shortDigest(event.layer)} ${event.action} ${formatSize(event.bytes)}${event.note === undefined ? '' : ` (${safe(event.note)})`}`;
    case 'layer-failed':
      return `fail  ${shortDigest(event.layer)} ${event.action}${event.to === undefined ? '' : ` to ${safe(event.to)}`}`;
    case 'layer-skip':
      return verbose ? `skip  ${shortDigest(event.layer)} ${safe(event.reason)}` : undefined;
    case 'layer-evicted':
      return `evict ${shortDigest(event.layer)} ${formatSize(event.bytes)}`;
    case 'layer-wait':
      return `wait  ${shortDigest(event.layer)} waiting: ${describeHolder(event)}`;
    case 'retry':
      // One that goes on at once is news for who asks: there may be thousands.
      return verbose || event.waitMs > 0
        ? `retry ${event.attempt} of ${event.most}: ${safe(event.what)} in ${formatDuration(event.waitMs)}: ${safe(event.reason)}`
        : undefined;
    case 'notice':
      return `note  ${safe(event.message)}`;
    case 'mirror':
    case 'login':
      return verbose ? `${event.type} ${safe(event.message)}` : undefined;
    default:
      return undefined;
  }
}

function describeHolder({ pid, host, command, isStopped = false }: Extract<ProgressEvent, { type: 'layer-wait' }>): string {
  if (pid === undefined) return 'another process brings it';
  return `lock pid ${pid} (${safe(command ?? 'unknown')}) on ${safe(host ?? 'unknown')}${isStopped ? ', which is stopped' : ''}`;
}

function safe(text: string): string {
  return escapeText(redactText(text), { ascii: true });
}
