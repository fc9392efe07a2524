import type { ProgressEvent } from '../../lib/pipeline/progress.ts';
import { redactText } from '../../lib/redact.ts';
import { escapeJson } from '../escape.ts';
import type { OutputStream } from '../terminal.ts';
import type { ProgressRenderer } from './renderer.ts';

/** At most so many `layer-progress` events of one layer: starts, ends and retries are never held back. */
const MIN_INTERVAL_MS = 250;

/** One event a line on stderr (`--progress json`). */
export class JsonProgress implements ProgressRenderer {
  readonly #stream: OutputStream;
  readonly #lastMs = new Map<string, number>();

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  onEvent(event: ProgressEvent): void {
    if (event.type === 'layer-progress' && !this.#isDue(`${event.layer} ${event.action} ${event.to ?? ''}`)) return;
    const json = JSON.stringify(event, (_key, value: unknown) => (typeof value === 'string' ? redactText(value) : value));
    this.#stream.write(`${escapeJson(json)}\n`);
  }

  warn(message: string): void {
    this.onEvent({ type: 'warning', message });
  }

  stop(): void {
    this.#lastMs.clear();
  }

  #isDue(key: string): boolean {
    const nowMs = performance.now();
    if (nowMs - (this.#lastMs.get(key) ?? -Infinity) < MIN_INTERVAL_MS) return false;
    this.#lastMs.set(key, nowMs);
    return true;
  }
}
