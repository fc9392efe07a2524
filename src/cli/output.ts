/** Results on stdout, talk on stderr. With `--json` stdout gets exactly one document. */
import type { Environment } from './flag-values.ts';
import { redactText } from '../lib/redact.ts';
import { escapeJson, escapeText } from './escape.ts';
import { causesOf, reportOf, stackOf } from './report-error.ts';
import { createStyle, type Style } from './style.ts';
import { describeTerminal, type OutputStream, type Terminal } from './terminal.ts';

/** Documents of CLI.md carry this; it changes only with a field that scripts rely on. */
export const SCHEMA_VERSION = 1;

/** What a renderer draws on. */
export interface Surface {
  readonly columns: number;
  readonly unicode: boolean;
  readonly style: Style;
  readonly verbose: boolean;
}

export interface OutputMode {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbosity: number;
}

export interface OutputStreams {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Environment;
}

const documented = new WeakSet<object>();

/** True when a document was printed there: a reader of `--json` takes one, no more. */
export function hasDocument(stdout: object): boolean {
  return documented.has(stdout);
}

/** Shorter ones redactText leaves. */
const MIN_SECRET_CHARS = 3;

export class Output {
  readonly #streams: OutputStreams;
  readonly #command: string;
  readonly #said = new Set<string>();
  #mode: OutputMode;
  /** Takes over warnings while progress is drawn, so that they don't tear it. */
  #warn: ((message: string) => void) | undefined;
  #secrets: readonly string[] = [];

  constructor(streams: OutputStreams, command: string, mode: OutputMode) {
    this.#streams = streams;
    this.#command = command;
    this.#mode = mode;
  }

  /** After the flags are resolved. */
  configure(mode: OutputMode): void {
    this.#mode = mode;
  }

  /** From now on, as they are and in base64: a registry may send back what it was sent. */
  hideSecrets(secrets: readonly string[]): void {
    const long = secrets.filter((secret) => secret.length >= MIN_SECRET_CHARS);
    const encoded = long.map((secret) => Buffer.from(secret).toString('base64').replace(/=+$/, ''));
    // Longest first: a secret may be a part of another.
    this.#secrets = [...new Set([...long, ...encoded])].sort((one, other) => other.length - one.length);
  }

  get stderrTerminal(): Terminal {
    return describeTerminal(this.#streams.stderr, this.#streams.env);
  }

  /** Warnings go there until the result is called. */
  redirectWarnings(warn: (message: string) => void): () => void {
    this.#warn = warn;
    return () => (this.#warn = undefined);
  }

  async surface(): Promise<Surface> {
    const { columns, unicode, color } = describeTerminal(this.#streams.stdout, this.#streams.env);
    return { columns, unicode, style: await createStyle(color), verbose: this.#mode.verbosity > 0 };
  }

  /** Prints what a command found. Call once, at the end. */
  async result<T extends { readonly warnings: readonly string[] }>(
    result: T,
    render: (result: T, surface: Surface) => string,
  ): Promise<void> {
    if (this.#mode.json) this.#document(result);
    else await this.#text(result, render);
    for (const warning of result.warnings) this.warn(warning);
  }

  /** Prints how far a command came before an error ended it. Call once, at the end. */
  async failedResult<T extends { readonly warnings: readonly string[] }>(
    result: T,
    render: (result: T, surface: Surface) => string,
    error: unknown,
  ): Promise<void> {
    if (this.#mode.json) return this.result({ ...result, error: reportOf(error, this.#secrets) }, render);
    await this.result(result, render);
    await this.error(error);
  }

  async #text<T>(result: T, render: (result: T, surface: Surface) => string): Promise<void> {
    if (!this.#mode.quiet) this.#streams.stdout.write(`${render(result, await this.surface())}\n`);
  }

  /** Once each, on stderr; not with `--quiet`. */
  warn(message: string): void {
    if (this.#mode.quiet || this.#said.has(message)) return;
    this.#said.add(message);
    const redacted = redactText(message, this.#secrets);
    if (this.#warn !== undefined) this.#warn(redacted);
    else this.#streams.stderr.write(`warning: ${escapeText(redacted, { ascii: !this.stderrTerminal.unicode })}\n`);
  }

  /** The error document, or one message line and a hint; more only with `-v`. After a document it is lines too. */
  async error(error: unknown): Promise<void> {
    const report = reportOf(error, this.#secrets);
    if (this.#mode.json && !hasDocument(this.#streams.stdout)) {
      this.#document({ error: report });
      return;
    }
    const terminal = this.stderrTerminal;
    const style = await createStyle(terminal.color);
    const ascii = { ascii: !terminal.unicode };
    const lines = [`${style.red('error:')} ${escapeText(report.message, ascii)} [${report.code}]`];
    lines.push(`${style.dim('hint:')} ${escapeText(report.hint, ascii)}`);
    if (this.#mode.verbosity > 0) lines.push(...causesOf(error, this.#secrets).map((cause) => `cause: ${cause}`));
    if (this.#mode.verbosity > 1) lines.push(...stackOf(error, this.#secrets));
    this.#streams.stderr.write(`${lines.join('\n')}\n`);
  }

  /** A line for `-v`. */
  verbose(message: string): void {
    if (this.#mode.verbosity > 0 && !this.#mode.json) this.#streams.stderr.write(`${escapeText(message)}\n`);
  }

  #document(content: object): void {
    documented.add(this.#streams.stdout);
    const json = JSON.stringify({ schemaVersion: SCHEMA_VERSION, command: this.#command, ...content });
    this.#streams.stdout.write(`${escapeJson(json)}\n`);
  }
}
