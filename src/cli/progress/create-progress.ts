/** Which renderer a run gets. */
import { ClipctlError } from '../../lib/errors.ts';
import { escapeText } from '../escape.ts';
import type { Environment } from '../flag-values.ts';
import type { ProgressMode, Settings } from '../settings.ts';
import type { ProgressRenderer } from './renderer.ts';
import { describeTerminal, isCi, type OutputStream } from '../terminal.ts';

export interface ProgressOptions {
  readonly stream: OutputStream;
  readonly env: Environment;
  readonly settings: Pick<Settings, 'progress' | 'quiet' | 'verbosity'>;
}

/** @throws ClipctlError USAGE for `tty` on what is no terminal */
export async function createProgress(options: ProgressOptions): Promise<ProgressRenderer> {
  switch (chooseMode(options)) {
    case 'none':
      return new SilentProgress(options.stream);
    case 'json':
      return new (await import('./json-progress.ts')).JsonProgress(options.stream);
    case 'plain':
      return new (await import('./plain-progress.ts')).PlainProgress(options.stream, options.settings.verbosity > 0);
    case 'tty':
      return new (await import('./tty-progress.ts')).TtyProgress(
        options.stream,
        describeTerminal(options.stream, options.env),
        options.settings.verbosity > 0,
      );
  }
}

function chooseMode({ stream, env, settings }: ProgressOptions): Exclude<ProgressMode, 'auto'> {
  const terminal = describeTerminal(stream, env);
  if (settings.progress === 'tty' && !terminal.isTty) {
    throw new ClipctlError('USAGE', '--progress tty: stderr is not a terminal', {
      hint: 'Use --progress plain or leave it out.',
    });
  }
  if (settings.quiet) return 'none';
  if (settings.progress !== 'auto') return settings.progress;
  return terminal.isSmart && !isCi(env) ? 'tty' : 'plain';
}

class SilentProgress implements ProgressRenderer {
  readonly #stream: OutputStream;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  onEvent(): void {
    // Nothing is drawn.
  }

  warn(message: string): void {
    this.#stream.write(`warning: ${escapeText(message, { ascii: true })}\n`);
  }

  stop(): void {
    // Nothing runs.
  }
}
