import type { ContentCache } from '../cache/content-cache.ts';
import { patient } from '../cache/patient-cache.ts';
import type { RemoteUse } from '../cache/remote-cache.ts';
import { ClipctlError } from '../errors.ts';
import type { Session } from './open-session.ts';

/** Opens remotes by URL, each once. @throws ClipctlError USAGE */
export function openRemotes(session: Session, urls: readonly string[], use?: RemoteUse): Promise<ContentCache[]> {
  return Promise.all([...new Set(urls)].map((url) => session.openRemote(url, use)));
}

/** Remotes that are a help and no need: what is slow there is given up (patient-cache.ts). @throws ClipctlError USAGE */
export async function openOptionalRemotes(session: Session, urls: readonly string[], use?: RemoteUse): Promise<ContentCache[]> {
  return (await openRemotes(session, urls, use)).map((remote) => patient(remote, session.waiting));
}

export interface ReadAndFill {
  readonly from: readonly ContentCache[];
  readonly to: readonly ContentCache[];
  /** Both, each once. */
  readonly all: readonly ContentCache[];
  /** Those that nothing may be written to, by their printed URLs. */
  readonly readOnly: ReadonlySet<string>;
}

interface NamedRemotes {
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly remote: 'optional' | 'required';
  readonly readOnly?: readonly string[];
  readonly repairRemote?: boolean;
}

/**
 * Remotes to read and remotes to fill; one named for both is one.
 * @throws ClipctlError USAGE, also when one to fill is only to be read
 */
export async function openReadAndFill(
  session: Session,
  { from, to, remote, readOnly = [], repairRemote = false }: NamedRemotes,
): Promise<ReadAndFill> {
  const urls = [...new Set([...from, ...to])];
  const all = await (remote === 'optional' ? openOptionalRemotes : openRemotes)(session, urls, { isMended: repairRemote });
  const named = (wanted: readonly string[]): ContentCache[] => all.filter((_, at) => wanted.includes(urls[at] ?? ''));
  const inOrder = [...new Set(from)].flatMap((url) => all[urls.indexOf(url)] ?? []);
  return { from: inOrder, to: named(to), all, readOnly: await requireWritable(session, named(to), readOnly) };
}

/**
 * What stands in a config file may have a login, or be spelled in another way than what a flag names: the printed URLs
 * are compared.
 * @returns those of `readOnly`
 * @throws ClipctlError USAGE when one of `remotes` is among them
 */
export async function requireWritable(
  session: Session,
  remotes: readonly ContentCache[],
  readOnly: readonly string[],
): Promise<ReadonlySet<string>> {
  const names = new Set((await openRemotes(session, readOnly)).map(({ url }) => url));
  const refused = remotes.find(({ url }) => names.has(url));
  if (refused === undefined) return names;
  throw new ClipctlError('USAGE', `${refused.url} is to be filled, but has mode "ro" in the config file`, {
    hint: '"ro" is only read, "wo" only written. Change its mode there, or name another remote.',
  });
}
