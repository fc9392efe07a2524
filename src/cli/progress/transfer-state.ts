/** Adds up progress events: which layers are under way, how far, how fast. Drawn by the tty and the plain renderer. */
import type { Digest } from '../../lib/oci/digest.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { LayerAction, ProgressEvent } from '../../lib/pipeline/progress.ts';

export interface ActiveLayer {
  readonly layer: Digest;
  readonly action: LayerAction;
  readonly from: string;
  totalBytes: number;
  bytes: number;
}

/** Rates look back so far: long enough to be calm, short enough to show a stall. */
const RATE_WINDOW_MS = 10_000;
/** An estimate before this is noise. */
const MIN_ESTIMATE_MS = 2000;

interface Wait {
  readonly untilMs: number;
  readonly attempt: number;
  readonly most: number;
  readonly reason: string;
}

export class TransferState {
  layers = 0;
  finishedLayers = 0;
  skippedLayers = 0;
  /** Layers that a remote took or had; each remote counts. */
  finishedSends = 0;
  totalBytes = 0;
  #finishedBytes = 0;
  #skippedBytes = 0;
  #sentBytes = 0;
  /** What each layer counts for in `totalBytes`. */
  readonly #sizes = new Map<Digest, number>();
  readonly #active = new Map<string, ActiveLayer>();
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  /** Between two tries. */
  #waits: Wait[] = [];
  readonly #startMs: number;

  constructor(nowMs: number) {
    this.#startMs = nowMs;
  }

  add(event: ProgressEvent, nowMs: number = performance.now()): void {
    switch (event.type) {
      case 'image':
        this.layers += event.layers;
        for (const { layer, totalBytes } of event.sizes) this.#resize(layer, totalBytes);
        return;
      case 'layer-start':
        if (event.action !== 'push') this.#resize(event.layer, event.totalBytes);
        this.#active.set(keyOf(event), { ...event, bytes: 0 });
        return;
      case 'layer-progress':
        this.#move(event);
        return;
      case 'layer-done':
        this.#finish(event);
        return;
      case 'layer-failed':
        this.#active.delete(keyOf(event));
        return;
      case 'layer-skip':
        this.skippedLayers++;
        this.#skippedBytes += this.#sizes.get(event.layer) ?? 0;
        return;
      case 'retry':
        if (event.waitMs > 0) this.#waits.push({ ...event, untilMs: nowMs + event.waitMs });
        return;
      default:
        return;
    }
  }

  /** What stands still on purpose, in words: what is waited for, and how long. */
  waiting(nowMs: number): string | undefined {
    this.#waits = this.#waits.filter(({ untilMs }) => untilMs > nowMs);
    const last = this.#waits.reduce<Wait | undefined>((a, b) => (a === undefined || b.untilMs > a.untilMs ? b : a), undefined);
    if (last === undefined) return undefined;
    const left = formatDuration(last.untilMs - nowMs);
    if (last.reason === 'RATE_LIMITED') return `waiting: rate limited ${left}`;
    return `waiting: retry ${last.attempt} of ${last.most} in ${left}`;
  }

  get active(): readonly ActiveLayer[] {
    return [...this.#active.values()];
  }

  /** Bytes sent to remotes so far. */
  get sentBytes(): number {
    let bytes = this.#sentBytes;
    for (const layer of this.#active.values()) if (layer.action === 'push') bytes += layer.bytes;
    return bytes;
  }

  /** Bytes of `totalBytes` that need no more work: layers brought so far, and those that stood there. */
  get bytes(): number {
    let bytes = this.#finishedBytes + this.#skippedBytes;
    for (const layer of this.#active.values()) if (layer.action !== 'push') bytes += layer.bytes;
    return bytes;
  }

  /** Bytes a second over the last ten seconds, in and out. */
  rate(nowMs: number): number {
    this.#sample(nowMs);
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs);
  }

  /**
   * The totals in words: layers, bytes, rate, time left.
   * @param nowMs a monotonic clock
   */
  describe(nowMs: number): readonly string[] {
    const remainingMs = this.remainingMs(nowMs);
    const waiting = this.waiting(nowMs);
    const { bytes, totalBytes, sentBytes } = this;
    return [
      `${this.finishedLayers + this.skippedLayers} of ${count(this.layers, 'layer')}`,
      totalBytes === 0 ? formatSize(bytes) : `${formatSize(bytes)} of ${formatSize(totalBytes)}`,
      ...(sentBytes === 0 && this.finishedSends === 0
        ? []
        : [`${count(this.finishedSends, 'layer')} sent (${formatSize(sentBytes)})`]),
      `${formatSize(Math.round(this.rate(nowMs)))}/s`,
      ...(remainingMs === undefined || waiting !== undefined ? [] : [`about ${formatDuration(remainingMs)} left`]),
      ...(waiting === undefined ? [] : [waiting]),
    ];
  }

  /** Time left; `undefined` in the first two seconds, when nothing moves and when it would be a guess. */
  remainingMs(nowMs: number): number | undefined {
    const rate = this.rate(nowMs);
    // What is sent is in no total: an estimate would be made up.
    if (this.sentBytes > 0 || nowMs - this.#startMs < MIN_ESTIMATE_MS || rate < 1) return undefined;
    return (Math.max(0, this.totalBytes - this.bytes) / rate) * 1000;
  }

  #sample(nowMs: number): void {
    this.#samples.push({ atMs: nowMs, bytes: this.bytes - this.#skippedBytes + this.sentBytes });
    while ((this.#samples[0]?.atMs ?? nowMs) < nowMs - RATE_WINDOW_MS) this.#samples.shift();
  }

  #move(event: Extract<ProgressEvent, { type: 'layer-progress' }>): void {
    if (event.action !== 'push') this.#resize(event.layer, event.totalBytes);
    const layer = this.#active.get(keyOf(event));
    if (layer === undefined) this.#active.set(keyOf(event), { ...event, from: '' });
    else Object.assign(layer, { bytes: event.bytes, totalBytes: event.totalBytes });
  }

  /** The image says what a layer is compressed; a remote cache sends it decompressed. */
  #resize(layer: Digest, bytes: number): void {
    this.totalBytes += bytes - (this.#sizes.get(layer) ?? 0);
    this.#sizes.set(layer, bytes);
  }

  #finish(event: Extract<ProgressEvent, { type: 'layer-done' }>): void {
    this.#active.delete(keyOf(event));
    if (event.action === 'push') {
      this.#sentBytes += event.bytes;
      this.finishedSends++;
      return;
    }
    this.#resize(event.layer, event.bytes);
    this.finishedLayers++;
    this.#finishedBytes += event.bytes;
  }
}

/** A layer comes in once, whatever the steps of that are called, and may be sent on at the same time, to several remotes. */
function keyOf(event: { readonly layer: Digest; readonly action: LayerAction; readonly to?: string }): string {
  return `${event.action === 'push' ? `out ${event.to ?? ''}` : 'in'} ${event.layer}`;
}
