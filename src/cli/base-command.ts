/**
 * What all commands share: flags and configuration resolved, signals, progress, one JSON document, errors as exit
 * codes. A command adds its flags, makes one request, calls one operation and names a renderer for the result.
 */
import { Command, type Interfaces } from '@oclif/core';
import { errorCodeOf, type ClipctlError, type ErrorCode } from '../lib/errors.ts';
import type { Session } from '../lib/operations/open-session.ts';
import type { PlanResult } from '../lib/operations/results.ts';
import type { SessionOptions } from '../lib/operations/session.ts';
import { earlyMode } from './early-mode.ts';
import { exitCodeOf } from './exit-codes.ts';
import type { FlagToken, FlagValues } from './flag-values.ts';
import { GLOBAL_FLAGS } from './flags.ts';
import { Interruption } from './interruption.ts';
import { Output, type Surface } from './output.ts';
import { createProgress } from './progress/create-progress.ts';
import { readPassword } from './read-password.ts';
import { fromParseError } from './report-error.ts';
import { currentUser, resolveSettings, type ConfigFileFacts, type Settings } from './settings.ts';

/** What a command works with after its flags are resolved. */
export interface Invocation {
  /** As the command declares them. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly values: FlagValues;
  readonly settings: Settings;
  readonly configFile: ConfigFileFacts;
  readonly session: Session;
}

export abstract class BaseCommand extends Command {
  static override baseFlags: Interfaces.FlagInput = GLOBAL_FLAGS;

  readonly #interruption = new Interruption();
  readonly #output = new Output(process, this.ctor.id.replaceAll(':', ' '), earlyMode(this.argv, process.env));
  #stopProgress: () => void = () => undefined;

  /** Makes a request of its flags, calls one operation, prints. */
  protected abstract execute(invocation: Invocation): Promise<void>;

  override async run(): Promise<void> {
    const stopListening = this.#interruption.listen();
    try {
      await this.#run();
    } catch (error) {
      await this.#fail(error);
    } finally {
      this.#stopProgress();
      stopListening();
    }
  }

  /** What a command's session has instead of the settings. */
  protected get sessionOptions(): Partial<Pick<SessionOptions, 'retries'>> {
    return {};
  }

  /** Prints a result as text by `render`, or as the command's JSON document. */
  protected async print<T extends { readonly warnings: readonly string[] }>(
    result: T,
    render: (result: T, surface: Surface) => string,
  ): Promise<void> {
    this.#stopProgress();
    await this.#output.result(result, render);
  }

  /** Prints how far a command came, and why no further: both in the one JSON document. It ends with the code of the error. */
  protected async printFailed<T extends { readonly warnings: readonly string[] }>(
    result: T,
    render: (result: T, surface: Surface) => string,
    error: ClipctlError,
  ): Promise<void> {
    this.#stopProgress();
    this.failWith(error.code);
    await this.#output.failedResult(result, render, error);
  }

  /** Prints what `--dry-run` found. */
  protected async printPlan(plan: PlanResult): Promise<void> {
    const { renderPlan } = await import('./render/plan.ts');
    await this.print(plan, renderPlan);
  }

  /** The printed result tells of a failure of this kind. */
  protected failWith(code: ErrorCode): void {
    process.exitCode = exitCodeOf(code);
  }

  /** The printed result is the answer "no" (`--check-warm`), and says so. */
  protected answerNo(): void {
    this.failWith('NOT_WARM');
  }

  async #run(): Promise<void> {
    const { args, raw } = await this.#parse();
    const { settings, values, configFile, warnings } = await resolveSettings(raw, currentUser());
    this.#output.configure(settings);
    for (const warning of warnings) this.#output.warn(warning);
    const credentials = await this.#credentials(settings, values);
    const onProgress = await this.#startProgress(settings);
    const { openSession } = await import('../lib/operations/open-session.ts');
    const signal = this.#interruption.signal;
    const own = { ...this.sessionOptions, ownsProcess: true, onProgress, signal };
    const session = openSession({ ...settings, ...credentials, ...own });
    try {
      await this.execute({ args, values, settings, configFile, session });
    } finally {
      await session.close();
    }
  }

  async #parse(): Promise<{ readonly args: Readonly<Record<string, unknown>>; readonly raw: readonly FlagToken[] }> {
    try {
      return await this.parse(this.ctor);
    } catch (error) {
      // oclif warns in development about commands that it thinks forgot to parse.
      this.parsed = true;
      throw fromParseError(error, this.ctor.id.replaceAll(':', ' '), Object.keys({ ...this.ctor.baseFlags, ...this.ctor.flags }));
    }
  }

  async #credentials({ username, passwordFrom }: Settings, values: FlagValues): Promise<Pick<SessionOptions, 'credentials'>> {
    if (passwordFrom === undefined || username === undefined) return {};
    const isTyped = passwordFrom === 'stdin';
    const password = isTyped ? await readPassword(process.stdin, this.#interruption.signal) : values.text('password');
    if (password === undefined) return {};
    this.#output.hideSecrets([password, Buffer.from(`${username}:${password}`).toString('base64')]);
    return { credentials: { username, password, origin: isTyped ? '--username' : 'CLIPCTL_PASSWORD' } };
  }

  async #startProgress(settings: Settings): Promise<SessionOptions['onProgress']> {
    const progress = await createProgress({ stream: process.stderr, env: process.env, settings });
    const restoreWarnings = this.#output.redirectWarnings((message) => progress.warn(message));
    this.#stopProgress = () => {
      progress.stop();
      restoreWarnings();
    };
    this.#interruption.beforeKill = this.#stopProgress;
    this.#output.verbose(`disk cache: ${settings.cacheDir}`);
    return (event) => (event.type === 'warning' ? this.#output.warn(event.message) : progress.onEvent(event));
  }

  async #fail(error: unknown): Promise<void> {
    this.#stopProgress();
    const { exitCode, isSilent, signal } = this.#interruption;
    process.exitCode = exitCode ?? exitCodeOf(errorCodeOf(error));
    if (!isSilent) await this.#output.error(exitCode === undefined ? error : signal.reason);
  }
}
