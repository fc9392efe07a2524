/** Who holds a lock, as it stands in a lease file and as a waiter shows it; and whether that process still lives. */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { errnoOf } from '../../../errno.ts';

/** `kernel`: the holder has the kernel's lock as well, which ends with its process. */
export type LockKind = 'kernel' | 'lease';

/** What a waiter may tell a person. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** The program and its command, without arguments: those may hold secrets. */
  readonly command: string;
  /** It lives and does not go on (SIGSTOP, a debugger), as far as this process can see. */
  readonly isStopped?: boolean;
}

export interface LeaseHolder extends LockHolder {
  readonly kind: LockKind;
  /** Random: one lease is never taken for another. */
  readonly token: string;
  /** Names the boot and the process namespace that `pid` belongs to. */
  readonly place: string;
  /** When the process started, in the kernel's ticks: process ids are used again. */
  readonly started: string;
}

const MAX_TEXT = 200;

/** This process, with a token of its own. */
export function describeSelf(kind: LockKind): LeaseHolder {
  return {
    kind,
    token: randomBytes(16).toString('hex'),
    pid: process.pid,
    host: hostname(),
    command: ownCommand(),
    place: ownPlace(),
    started: startOf(process.pid) ?? '',
  };
}

/** `undefined` = the text of a lease that nobody can make sense of: torn, or of another program. */
export function parseHolder(text: string): LeaseHolder | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null) return undefined;
  const { kind, token, pid, host, command, place, started } = found as Partial<Record<keyof LeaseHolder, unknown>>;
  if ((kind !== 'kernel' && kind !== 'lease') || typeof pid !== 'number' || !Number.isSafeInteger(pid)) return undefined;
  if (![token, host, command, place, started].every(isShortText)) return undefined;
  return {
    kind,
    pid,
    ...({ token, host, command, place, started } as Record<'token' | 'host' | 'command' | 'place' | 'started', string>),
  };
}

/** `unknown` where this process can't see: another machine, another process namespace. */
export function lifeOf(holder: LeaseHolder): 'alive' | 'dead' | 'unknown' {
  if (holder.place === '' || holder.place !== ownPlace()) return 'unknown';
  if (holder.started !== '') return startOf(holder.pid) === holder.started ? 'alive' : 'dead';
  try {
    process.kill(holder.pid, 0);
    return 'alive';
  } catch (error) {
    return errnoOf(error) === 'ESRCH' ? 'dead' : 'alive';
  }
}

/** False also where this process can't see. */
export function isStopped({ place, pid, started }: LeaseHolder): boolean {
  const found = place === ownPlace() ? statOf(pid) : undefined;
  return found !== undefined && found.started === started && (found.state === 'T' || found.state === 't');
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT;
}

function ownCommand(): string {
  const [, script = '', verb = ''] = process.argv;
  const program = /^(run|dev)\.js$/.test(basename(script)) ? 'clipctl' : basename(script);
  return `${program}${/^[a-z][a-z-]*$/.test(verb) ? ` ${verb}` : ''}`.slice(0, MAX_TEXT);
}

let knownPlace: string | undefined;

function ownPlace(): string {
  knownPlace ??= findPlace();
  return knownPlace;
}

function findPlace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    // No Linux: the host's name is the best there is, and the kernel's lock decides.
    return hostname();
  }
}

function startOf(pid: number): string | undefined {
  const found = statOf(pid);
  // A zombie holds nothing any more.
  return found?.state === 'Z' ? undefined : found?.started;
}

/** proc(5): fields 3 and 22 of /proc/PID/stat; the name in field 2 may hold blanks and brackets. */
function statOf(pid: number): { readonly state: string | undefined; readonly started: string | undefined } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], started: fields[19] };
  } catch {
    return undefined;
  }
}
