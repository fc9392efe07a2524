/** The name of a file before it is a lock or a lease. It tells whose it is: killed right then, its maker has written nothing yet. */
import { isOwnerRunning, newOwnedName } from '../owned-name.ts';

/** Earlier ones had chance alone in their names. */
const ON_ITS_WAY = /^[0-9a-f]{64}\.(?:lock|lease)\.(?:[0-9a-f]{16}|([0-9a-f]{16}-.*\.new))$/;

/** @param path what the file is going to be */
export async function nameOnItsWay(path: string): Promise<string> {
  return `${path}.${await newOwnedName()}.new`;
}

export function isOnItsWay(name: string): boolean {
  return ON_ITS_WAY.test(name);
}

/** False also where nobody can tell. */
export async function isMakerGone(name: string): Promise<boolean> {
  const owned = ON_ITS_WAY.exec(name)?.[1];
  return owned !== undefined && (await isOwnerRunning(owned)) === false;
}
