/** Who a process is, so that another can tell whether it still runs, although process ids are used again. */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { errnoOf } from '../../errno.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Start of the process in kernel ticks since boot; empty where /proc does not tell. */
  readonly startTicks: string;
  /** The machine (this boot of it) and the pid namespace: within one, pids can be compared. */
  readonly space: string;
}

let ourselves: Promise<ProcessIdentity> | undefined;

/** This process: looked up once, as it stays the same. */
export function identifyOurselves(): Promise<ProcessIdentity> {
  ourselves ??= lookAtOurselves();
  return ourselves;
}

async function lookAtOurselves(): Promise<ProcessIdentity> {
  const boot = await textOf('/proc/sys/kernel/random/boot_id');
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  const startTicks = await startTicksOf(process.pid);
  return { pid: process.pid, startTicks: startTicks ?? '', space: `${hostname()} ${boot?.trim() ?? ''} ${namespace}` };
}

/** `undefined` = it runs where we can't see it. */
export async function isRunning(process_: ProcessIdentity, us: ProcessIdentity): Promise<boolean | undefined> {
  if (process_.space !== us.space) return undefined;
  if (process_.startTicks !== '') return (await startTicksOf(process_.pid)) === process_.startTicks;
  try {
    return process.kill(process_.pid, 0);
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** proc_pid_stat(5): field 22, behind a name in parentheses that may itself hold anything. A zombie has ended. */
async function startTicksOf(pid: number): Promise<string | undefined> {
  const text = await textOf(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
