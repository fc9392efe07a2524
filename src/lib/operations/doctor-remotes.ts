/** Each remote cache that a run would use: whether it answers, how fast, and what it can do. Nothing is written. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../errno.ts';
import { ClipctlError, storageError } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import { redactUrl } from '../redact.ts';
import { failedCheck, type DoctorCheck, type Examined, type RemoteFacts } from './doctor-results.ts';
import type { Session } from './open-session.ts';

/** One answer has to come within this; a run is more patient. */
export const LONGEST_PROBE_MS = 10_000;
/** The empty content: there or not, either is an answer. */
const PROBED = createHash('sha256').digest('hex') as ContentHash;

export interface NamedRemotes {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

export async function examineRemotes(session: Session, named: NamedRemotes): Promise<Examined<readonly RemoteFacts[]>> {
  const urls = [...new Set([...named.from, ...named.to])];
  const examined = await Promise.all(
    urls.map((url) => {
      const uses = (['from', 'to'] as const).filter((use) => named[use].includes(url));
      return examineRemote(session, url, uses);
    }),
  );
  return { found: examined.map(({ found }) => found), checks: examined.flatMap(({ checks }) => checks) };
}

async function examineRemote(session: Session, named: string, uses: RemoteFacts['uses']): Promise<Examined<RemoteFacts>> {
  const area = 'remotes';
  const shown = redactUrl(named);
  try {
    const remote = await session.openRemote(named);
    const { url, capabilities } = remote;
    const facts = { url, uses, capabilities };
    if (session.options.offline && !url.startsWith('file:')) {
      return { found: facts, checks: [{ area, status: 'ok', message: `${url}: not asked, --offline` }] };
    }
    if (await isMissingDirectory(url)) {
      const hint = 'Mount it, or check the path; the first store makes it.';
      const check: DoctorCheck = { area, status: 'warning', message: `${url}: there is no such directory`, hint };
      return { found: { ...facts, reached: false }, checks: [check] };
    }
    const startedMs = performance.now();
    await withinTime(session, url, (signal) => remote.contentExists(PROBED, { signal }));
    const ms = Math.round(performance.now() - startedMs);
    return { found: { ...facts, reached: true, ms }, checks: [reachedCheck({ ...facts, ms })] };
  } catch (error) {
    session.signal.throwIfAborted();
    const failed = failedCheck(error, { area });
    return { found: { url: shown, uses, reached: false }, checks: [{ ...failed, message: `${shown}: ${failed.message}` }] };
  }
}

/** To who reads, it is an empty cache: what a mount that failed looks like. */
async function isMissingDirectory(url: string): Promise<boolean> {
  if (!url.startsWith('file:')) return false;
  try {
    await stat(fileURLToPath(url));
    return false;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw storageError(error, fileURLToPath(url), { doing: 'look at', elsewhere: 'another remote cache' });
  }
}

/** Ends with TIMEOUT when the work does not end by itself; work that does not listen is left alone. */
export async function withinTime<T>(
  { signal, options }: Session,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limitMs = Math.min(options.timeoutMs, LONGEST_PROBE_MS);
  const late = new AbortController();
  const hint = 'Check that the server runs and can be reached from here.';
  const timeout = new ClipctlError('TIMEOUT', `${what} did not answer within ${limitMs / 1000} s`, { hint });
  const timer = setTimeout(() => late.abort(timeout), limitMs);
  const over = new Promise<never>((_, reject) => late.signal.addEventListener('abort', () => reject(timeout)));
  try {
    return await Promise.race([work(AbortSignal.any([signal, late.signal])), over]);
  } finally {
    clearTimeout(timer);
  }
}

function reachedCheck({ url, ms, capabilities }: RemoteFacts): DoctorCheck {
  const words = {
    ranges: 'ranges',
    list: 'list',
    delete: 'delete',
    conditionalPut: 'conditional put',
    encoding: 'zstd',
  } as const;
  const can = Object.entries(words).flatMap(([name, word]) =>
    capabilities?.[name as keyof typeof words] === true ? [word] : [],
  );
  return { area: 'remotes', status: 'ok', message: `${url}: answered in ${ms} ms; ${can.join(', ')}` };
}
