import type { ContentCache } from '../cache/content-cache.ts';
import type { Session } from './open-session.ts';

/** Opens remotes by URL, each once. @throws ClipctlError USAGE */
export function openRemotes(session: Session, urls: readonly string[]): Promise<ContentCache[]> {
  return Promise.all([...new Set(urls)].map((url) => session.openRemote(url)));
}
