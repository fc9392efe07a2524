/** An error, said to people and to machines. Whatever it is made of is escaped and redacted here and nowhere else. */
import { ClipctlError, errorCodeOf, type ErrorCode, type ErrorDetails } from '../lib/errors.ts';
import { redactText } from '../lib/redact.ts';
import { escapeText } from './escape.ts';
import { suggest } from './suggest.ts';

/** The `error` field of a JSON document. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly details?: ErrorDetails;
  /** Each failure of several, where the error sums them up. */
  readonly failures?: readonly { readonly code: ErrorCode; readonly message: string }[];
}

const USAGE_HINT = 'clipctl COMMAND --help lists the flags and shows examples.';
const BUG_HINT = 'This is a bug in clipctl: please report it with the output of the same command and -vv.';
const MAX_MESSAGE_CHARS = 1000;
const MAX_CAUSES = 5;
const MAX_FAILURES = 100;

/**
 * @param secrets values that must never be printed (the password of this run)
 */
export function reportOf(error: unknown, secrets: readonly string[] = []): ErrorReport {
  const code = errorCodeOf(error);
  const known = error instanceof ClipctlError ? error : undefined;
  const details = known === undefined ? {} : redactDetails(known.details, secrets);
  const failures = failuresOf(error);
  return {
    code,
    message: oneMessage(error, secrets),
    hint: redactText(known?.hint ?? defaultHint(code), secrets).slice(0, MAX_MESSAGE_CHARS),
    ...(Object.keys(details).length === 0 ? {} : { details }),
    ...(failures.length === 0
      ? {}
      : { failures: failures.map((each) => ({ code: errorCodeOf(each), message: oneMessage(each, secrets) })) }),
  };
}

function failuresOf(error: unknown): readonly unknown[] {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof AggregateError ? cause.errors.slice(0, MAX_FAILURES) : [];
}

function oneMessage(error: unknown, secrets: readonly string[]): string {
  return redactText(messageOf(error), secrets).slice(0, MAX_MESSAGE_CHARS);
}

/** Takes secrets out of an error that the runtime is about to print itself, and out of all that it would print with it. */
export function redactCrash(error: unknown, depth = 0): void {
  if (typeof error !== 'object' || error === null || depth > MAX_CAUSES) return;
  for (const key of Object.getOwnPropertyNames(error)) {
    const value: unknown = Reflect.get(error, key);
    if (typeof value === 'string') Reflect.set(error, key, redactText(value));
    else redactCrash(value, depth + 1);
  }
}

/** For `-v`, one line each: the failures that `error` sums up, or the chain of causes below it. */
export function causesOf(error: unknown, secrets: readonly string[] = []): readonly string[] {
  const several = failuresOf(error);
  if (several.length > 0) return several.map((each) => escapeText(oneMessage(each, secrets)));
  const lines: string[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  while (cause !== undefined && lines.length < MAX_CAUSES) {
    lines.push(escapeText(oneMessage(cause, secrets)));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

/** The stack below the message, for `-vv`; one frame a line. */
export function stackOf(error: unknown, secrets: readonly string[] = []): readonly string[] {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '));
  return frames.map((line) => escapeText(redactText(line, secrets)));
}

/** What oclif throws for wrong flags and arguments, as ours. Recognized by its fields, never by its message. */
export function fromParseError(error: unknown, command: string, flagNames: readonly string[]): unknown {
  if (error instanceof ClipctlError || !isOclifError(error)) return error;
  const help = `See clipctl ${command} --help.`;
  const flags = namesIn(error, 'flags');
  if (flags !== undefined) {
    const nearest = suggest(
      (flags[0] ?? '').replace(/=.*$/s, ''),
      flagNames.map((name) => `--${name}`),
    );
    return new ClipctlError('USAGE', `unknown flag ${flags.join(', ')}`, {
      hint: nearest === undefined ? help : `Did you mean ${nearest}? ${help}`,
    });
  }
  const [first = '', second] = error.message.split('\n').map((line) => line.trim());
  const missing = first.endsWith(':') && second !== undefined ? second.split(/\s/, 1)[0] : undefined;
  const message = missing === undefined ? first : `missing argument ${missing.toUpperCase()}`;
  return new ClipctlError('USAGE', lowerFirst(message), { hint: help });
}

interface OclifError extends Error {
  readonly oclif: { readonly exit?: number };
}

/** oclif marks its own errors with an `oclif` field; 2 is its exit code for usage. */
export function isOclifError(error: unknown): error is OclifError {
  return error instanceof Error && 'oclif' in error && typeof error.oclif === 'object' && error.oclif !== null;
}

function namesIn(error: object, field: string): readonly string[] | undefined {
  const value = (error as Readonly<Record<string, unknown>>)[field];
  return Array.isArray(value) ? value.map(String) : undefined;
}

function redactDetails(details: ErrorDetails, secrets: readonly string[]): ErrorDetails {
  const entries = Object.entries(details).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, typeof value === 'string' ? redactText(value, secrets) : value]));
}

function messageOf(error: unknown): string {
  if (error instanceof ClipctlError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function defaultHint(code: ErrorCode): string {
  if (code === 'INTERNAL') return BUG_HINT;
  return code === 'USAGE' ? USAGE_HINT : `What ${code} means stands in docs/errors.md; -v shows the cause.`;
}

/** `Unexpected argument` reads better after `error:` with a small first letter; names like `IMAGE` keep theirs. */
function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? `${text.charAt(0).toLowerCase()}${text.slice(1)}` : text;
}
