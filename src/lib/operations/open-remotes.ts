import type { ContentCache } from '../cache/content-cache.ts';
import { patient } from '../cache/patient-cache.ts';
import type { Session } from './open-session.ts';

/** Opens remotes by URL, each once. @throws ClipctlError USAGE */
export function openRemotes(session: Session, urls: readonly string[]): Promise<ContentCache[]> {
  return Promise.all([...new Set(urls)].map((url) => session.openRemote(url)));
}

/** Remotes that are a help and no need: what is slow there is given up (patient-cache.ts). @throws ClipctlError USAGE */
export async function openOptionalRemotes(session: Session, urls: readonly string[]): Promise<ContentCache[]> {
  return (await openRemotes(session, urls)).map((remote) => patient(remote, session.waiting));
}

export interface ReadAndFill {
  readonly from: readonly ContentCache[];
  readonly to: readonly ContentCache[];
  /** Both, each once. */
  readonly all: readonly ContentCache[];
}

/** Remotes to read and remotes to fill; one named for both is one. @throws ClipctlError USAGE */
export async function openReadAndFill(
  session: Session,
  {
    from,
    to,
    remote,
  }: { readonly from: readonly string[]; readonly to: readonly string[]; readonly remote: 'optional' | 'required' },
): Promise<ReadAndFill> {
  const urls = [...new Set([...from, ...to])];
  const all = await (remote === 'optional' ? openOptionalRemotes(session, urls) : openRemotes(session, urls));
  const named = (wanted: readonly string[]): ContentCache[] => all.filter((_, at) => wanted.includes(urls[at] ?? ''));
  const inOrder = [...new Set(from)].flatMap((url) => all[urls.indexOf(url)] ?? []);
  return { from: inOrder, to: named(to), all };
}
