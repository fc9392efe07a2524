/**
 * Why a run must stop before its end: a signal, or a reader that closed our stdout or stderr. The first asks the
 * operation to stop and clean up; a second signal kills at once, as the shell expects.
 */
import type { EventEmitter } from 'node:events';
import { ClipctlError } from '../lib/errors.ts';
import { EXIT_CLOSED_PIPE } from './exit-codes.ts';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type SignalName = keyof typeof SIGNALS;

export class Interruption {
  readonly #controller = new AbortController();
  readonly #process: NodeJS.Process;
  /** Runs before a second signal kills: restores the cursor. */
  beforeKill: () => void = () => undefined;
  #exitCode: number | undefined;

  constructor(host: NodeJS.Process = process) {
    this.#process = host;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Exit code that the interruption asks for; `undefined` while nothing happened. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Nobody reads any more: nothing shall be said. */
  get isSilent(): boolean {
    return this.#exitCode === EXIT_CLOSED_PIPE;
  }

  /** Starts listening; call the result to stop. */
  listen(): () => void {
    for (const name of signalNames()) this.#process.on(name, this.#onSignal);
    const streams: EventEmitter[] = [this.#process.stdout, this.#process.stderr];
    for (const stream of streams) stream.on('error', this.#onStreamError);
    return () => {
      for (const name of signalNames()) this.#process.removeListener(name, this.#onSignal);
      for (const stream of streams) stream.removeListener('error', this.#onStreamError);
    };
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.#exitCode !== undefined) {
      // The default action of the signal, now that nobody listens: the shell sees 128 + its number.
      for (const each of signalNames()) this.#process.removeListener(each, this.#onSignal);
      this.beforeKill();
      this.#process.kill(this.#process.pid, name);
      return;
    }
    this.#exitCode = SIGNALS[name as SignalName];
    this.#controller.abort(
      new ClipctlError('ABORTED', `interrupted by ${name}`, {
        hint: 'Run the same command again to resume: what was fetched so far is kept.',
        details: { signal: name },
      }),
    );
  };

  readonly #onStreamError = (error: Error): void => {
    if (!('code' in error) || (error.code !== 'EPIPE' && error.code !== 'ECONNRESET')) return;
    this.#exitCode = EXIT_CLOSED_PIPE;
    this.#controller.abort(new ClipctlError('ABORTED', 'the reader of the output closed it', { cause: error }));
  };
}

function signalNames(): readonly SignalName[] {
  return Object.keys(SIGNALS) as SignalName[];
}
