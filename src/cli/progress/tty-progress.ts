import { WriteStream } from 'node:tty';
import type { Ora } from 'ora';
import { shortDigest } from '../../lib/oci/digest.ts';
import type { ProgressEvent } from '../../lib/pipeline/progress.ts';
import { escapeText } from '../escape.ts';
import { formatPercent, formatSize } from '../format.ts';
import type { OutputStream, Terminal } from '../terminal.ts';
import { describeEvent } from './plain-progress.ts';
import type { ProgressRenderer } from './renderer.ts';
import { type ActiveLayer, TransferState } from './transfer-state.ts';

/** Ten frames a second. */
const FRAME_MS = 100;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE = '\u001b[2K';
const CLEAR_BELOW = '\u001b[J';
const BAR_CHARS = 20;

/** What gets a line above the moving ones. */
const LINES: ReadonlySet<ProgressEvent['type']> = new Set(['retry', 'layer-wait', 'layer-evicted', 'notice', 'mirror', 'login']);

/**
 * For terminals: a spinner (ora) while there is one thing to do, a block of one line a layer under one of totals as
 * soon as there are several. The two never share the screen.
 */
export class TtyProgress implements ProgressRenderer {
  readonly #stream: OutputStream;
  readonly #terminal: Terminal;
  readonly #verbose: boolean;
  readonly #state = new TransferState(performance.now());
  #timer: NodeJS.Timeout | undefined;
  #spinner: Ora | undefined;
  #spinnerWanted = true;
  #drawnLines = 0;

  constructor(stream: OutputStream, terminal: Terminal, verbose = false) {
    this.#stream = stream;
    this.#verbose = verbose;
    this.#terminal = terminal;
    this.#timer = setInterval(() => this.#frame(), FRAME_MS);
    this.#timer.unref();
    this.#startSpinner().catch(() => this.#stopSpinner());
  }

  onEvent(event: ProgressEvent): void {
    this.#state.add(event);
    const line = LINES.has(event.type) ? describeEvent(event, this.#verbose) : undefined;
    if (line !== undefined) this.#line(line);
    if (this.#state.layers > 1) this.#stopSpinner();
  }

  warn(message: string): void {
    this.#line(`warning: ${escapeText(message, { ascii: !this.#terminal.unicode })}`);
  }

  #line(text: string): void {
    this.#erase();
    if (this.#spinner?.isSpinning === true) this.#spinner.clear();
    this.#stream.write(`${text}\n`);
    this.#frame();
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#timer === undefined) return;
    this.#timer = undefined;
    this.#stopSpinner();
    this.#erase();
    this.#stream.write(SHOW_CURSOR);
  }

  /** ora takes 90 ms to load: the work doesn't wait for it. */
  async #startSpinner(): Promise<void> {
    const stream = this.#stream;
    // Of a terminal without a size (a pty that nobody gave one) ora would clear endless lines.
    if (!(stream instanceof WriteStream) || stream.columns === 0) return this.#stopSpinner();
    const { default: ora } = await import('ora');
    if (!this.#spinnerWanted) return;
    // discardStdin would put the terminal in raw mode and take Ctrl-C from us.
    this.#spinner = ora({
      text: 'resolving',
      stream,
      discardStdin: false,
      isEnabled: true,
    }).start();
  }

  #stopSpinner(): void {
    this.#spinnerWanted = false;
    this.#spinner?.stop();
    this.#spinner = undefined;
  }

  #frame(): void {
    if (this.#timer === undefined) return;
    if (this.#spinner !== undefined) {
      this.#spinner.text = this.#fit(this.#oneLine(), 2);
    } else if (!this.#spinnerWanted) this.#draw();
  }

  #oneLine(): string {
    const active = this.#state.active[0];
    const waiting = this.#state.waiting(performance.now());
    return [active === undefined ? 'resolving' : describeLayer(active), ...(waiting === undefined ? [] : [waiting])].join('  ');
  }

  #draw(): void {
    const lines = this.#lines().map((line) => `${CLEAR_LINE}${this.#fit(line, 0)}\n`);
    const up = this.#drawnLines === 0 ? HIDE_CURSOR : `\u001b[${this.#drawnLines}A\r`;
    // A shorter block than before would leave the old tail on the screen.
    this.#stream.write(`${up}${lines.join('')}${CLEAR_BELOW}`);
    this.#drawnLines = lines.length;
  }

  #erase(): void {
    if (this.#drawnLines === 0) return;
    this.#stream.write(`\u001b[${this.#drawnLines}A\r${CLEAR_BELOW}`);
    this.#drawnLines = 0;
  }

  /** Never taller than the terminal: what scrolled away can't be redrawn. */
  #lines(): readonly string[] {
    const { active } = this.#state;
    const shown = active.slice(0, this.#terminal.rows - 3);
    const hidden = active.length - shown.length;
    const totals = [...this.#state.describe(performance.now()), ...(hidden === 0 ? [] : [`${hidden} more under way`])];
    return [...shown.map(describeLayerWithBar), totals.join('  ')];
  }

  #fit(line: string, margin: number): string {
    const room = this.#terminal.columns - 1 - margin;
    const text = escapeText(line, { ascii: !this.#terminal.unicode });
    return text.length <= room ? text : text.slice(0, room);
  }
}

function describeLayer(layer: ActiveLayer): string {
  return `${shortDigest(layer.layer)} ${layer.action} ${formatSize(layer.bytes)} of ${formatSize(layer.totalBytes)}`;
}

function describeLayerWithBar(layer: ActiveLayer): string {
  const done = Math.min(BAR_CHARS, Math.floor((layer.bytes / Math.max(1, layer.totalBytes)) * BAR_CHARS));
  const bar = `[${'#'.repeat(done)}${'.'.repeat(BAR_CHARS - done)}]`;
  return `${shortDigest(layer.layer)}  ${layer.action.padEnd(8)}  ${bar} ${formatPercent(layer.bytes, layer.totalBytes).padStart(4)}  ${formatSize(layer.bytes)}`;
}
