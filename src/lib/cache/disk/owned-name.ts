/** Random names that tell whose they are: what a process that has ended has left can go at once. */
import { createHash, randomBytes } from 'node:crypto';
import { identifyOurselves, isRunning, type ProcessIdentity } from './process-identity.ts';

const NAME = /^([0-9a-f]{16})-(\d{1,10})-(\d{0,20})-[0-9a-f]{16}\./;

/** Put an extension behind it. */
export async function newOwnedName(): Promise<string> {
  const { pid, startTicks, space } = await identifyOurselves();
  return [markOf(space), pid, startTicks, randomBytes(8).toString('hex')].join('-');
}

/** Whether the process that gave a file its name still runs; `undefined` = nobody can tell from here. */
export async function isOwnerRunning(name: string): Promise<boolean | undefined> {
  const [, mark, pid, startTicks = ''] = NAME.exec(name) ?? [];
  if (mark === undefined) return undefined;
  const ourselves = await identifyOurselves();
  if (mark !== markOf(ourselves.space)) return undefined;
  const owner: ProcessIdentity = { pid: Number(pid), startTicks, space: ourselves.space };
  return isRunning(owner, ourselves);
}

function markOf(space: string): string {
  return createHash('sha256').update(space).digest('hex').slice(0, 16);
}
