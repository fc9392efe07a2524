/**
 * Where the writer of a layer, in its worker, stops until there is room for more: how large a layer gets is known only when
 * it is complete. The main thread grants room in large steps; between them a write costs one comparison.
 */
const CELL_BYTES = 8;

/** Shared by both threads: how large the layer may get. */
export type GrowthCell = SharedArrayBuffer;

export function createGrowthCell(grantedBytes: number): GrowthCell {
  const cell = new SharedArrayBuffer(CELL_BYTES);
  new BigInt64Array(cell)[0] = BigInt(grantedBytes);
  return cell;
}

/** Lets the writer go on. */
export function grantGrowth(cell: GrowthCell, grantedBytes: number): void {
  const granted = new BigInt64Array(cell);
  Atomics.store(granted, 0, BigInt(grantedBytes));
  Atomics.notify(granted, 0);
}

export class GrowthGate {
  readonly #granted: BigInt64Array;
  readonly #ask: (endBytes: number) => void;
  #grantedBytes: number;

  /** @param ask tells the main thread, which grants more, or ends this worker */
  constructor(cell: GrowthCell, ask: (endBytes: number) => void) {
    this.#granted = new BigInt64Array(cell);
    this.#grantedBytes = Number(this.#granted[0]);
    this.#ask = ask;
  }

  /** Returns when the layer may get so large. Stops the thread: nothing else can be done with it meanwhile. */
  pass(endBytes: number): void {
    while (endBytes > this.#grantedBytes) {
      this.#ask(endBytes);
      Atomics.wait(this.#granted, 0, BigInt(this.#grantedBytes));
      this.#grantedBytes = Number(Atomics.load(this.#granted, 0));
    }
  }
}
