/** The registries that were named: reached or not, logged in or not, and with whose credentials. */
import { isIdentityToken, isRegistryToken, type Credentials } from '../auth/credentials.ts';
import { findCredentials } from '../auth/docker-config.ts';
import { visitRegistry, type RegistryVisit } from '../auth/registry-visit.ts';
import { errorCodeOf } from '../errors.ts';
import { createHttpClient } from '../http/http-client.ts';
import { parseMirror, repositoryAt } from '../source/mirrors.ts';
import { failedCheck, type DoctorCheck, type Examined, type RegistryFacts } from './doctor-results.ts';
import { withinTime } from './doctor-remotes.ts';
import { credentialGuard, type Session } from './open-session.ts';
import { registryTarget, type RegistryTarget } from './registry-target.ts';

/** More than this, and tokens and certificates are not valid yet, or no longer. */
const MAX_SKEW_MS = 60_000;

/** @throws ClipctlError USAGE for a name that is of no registry, REFERENCE_INVALID, and what reading an index throws */
export async function examineRegistries(session: Session, names: readonly string[]): Promise<Examined<readonly RegistryFacts[]>> {
  const targets = await Promise.all([...new Set(names)].map(registryTarget));
  const guard = credentialGuard(session.options);
  for (const { registry } of targets) guard(`docker://${registry}/any`);
  const stops = targets.flatMap((target) => [...mirrorsOf(session, target), { ...target, role: 'registry' as const }]);
  const examined = await Promise.all(stops.map((stop) => examineStop(session, stop)));
  return { found: examined.map(({ found }) => found), checks: examined.flatMap(({ checks }) => checks) };
}

interface Stop extends RegistryTarget {
  readonly role: RegistryFacts['role'];
  readonly base?: URL;
}

function mirrorsOf({ options }: Session, target: RegistryTarget): readonly Stop[] {
  const mirrors = (options.mirrors ?? []).map(parseMirror).filter(({ registry }) => registry === target.registry);
  return mirrors.map((mirror) => ({
    name: target.name,
    registry: mirror.url.host,
    base: new URL(mirror.url.origin),
    role: 'mirror',
    ...(target.image === undefined
      ? {}
      : { image: { ...target.image, repository: repositoryAt(mirror, target.image.repository) } }),
  }));
}

async function examineStop(session: Session, stop: Stop): Promise<Examined<RegistryFacts>> {
  const { name, registry, role, image } = stop;
  const place = image === undefined ? registry : `${registry}/${image.repository}`;
  const visit: RegistryVisit = {};
  let login: FoundLogin | undefined;
  let failure: unknown;
  try {
    login = await findLogin(session, stop, place);
    if (!session.options.offline) await visitWithin(session, { stop, credentials: login?.credentials, visit });
  } catch (error) {
    session.signal.throwIfAborted();
    failure = error;
  }
  const isProxied = visit.url !== undefined && session.dispatcher.isProxied?.(new URL(visit.url)) === true;
  const found: RegistryFacts = {
    name,
    registry,
    role,
    ...(session.options.offline ? {} : { reached: visit.ms !== undefined }),
    proxied: isProxied,
    ...describeLogin(login),
    ...visit,
  };
  return { found, checks: [outcomeCheck(found, { stop, place, failure }), ...otherChecks(found)] };
}

async function visitWithin(
  session: Session,
  { stop, credentials, visit }: { stop: Stop; credentials: Credentials | undefined; visit: RegistryVisit },
): Promise<void> {
  const { registry, base, image } = stop;
  await withinTime(session, registry, (signal) =>
    visitRegistry(
      {
        http: createHttpClient(session.dispatcher),
        registry,
        insecureRegistries: session.options.insecureRegistries.map((host) => host.toLowerCase()),
        credentials,
        signal,
        ...(base === undefined ? {} : { base }),
        ...(image === undefined ? {} : { image }),
      },
      visit,
    ),
  );
}

interface FoundLogin {
  readonly credentials: Credentials;
  readonly origin: string;
}

/** What was typed is for the registry itself, never for its mirrors. */
async function findLogin({ options }: Session, { role }: Stop, place: string): Promise<FoundLogin | undefined> {
  const { credentials } = options;
  if (credentials !== undefined && role === 'registry') return { credentials, origin: credentials.origin ?? '--username' };
  return findCredentials(process.env, place);
}

function describeLogin(login: FoundLogin | undefined): Pick<RegistryFacts, 'credentials'> {
  if (login === undefined) return {};
  const { origin, credentials } = login;
  if (isRegistryToken(credentials)) return { credentials: { origin, kind: 'registry-token' } };
  return { credentials: { origin, kind: isIdentityToken(credentials) ? 'identity-token' : 'password' } };
}

/** A mirror that fails costs time only: the registry itself is asked next. */
function outcomeCheck(
  facts: RegistryFacts,
  { stop, place, failure }: { stop: Stop; place: string; failure: unknown },
): DoctorCheck {
  const area = 'registries';
  const what = stop.role === 'mirror' ? `${place} (mirror)` : place;
  if (failure === undefined) return { area, status: 'ok', message: `${what}: ${describeVisit(facts)}` };
  const isMinor = stop.role === 'mirror' || (stop.image === undefined && isForMembersOnly(facts, errorCodeOf(failure)));
  const status = isMinor ? 'warning' : 'problem';
  const failed = failedCheck(failure, { area, status });
  return { ...failed, message: `${what}: ${failed.message}` };
}

/** A token server may give nothing to who asks for nothing: public images can still be there. */
function isForMembersOnly({ auth, credentials }: RegistryFacts, code: string): boolean {
  return auth === 'bearer' && credentials === undefined && (code === 'UNAUTHORIZED' || code === 'FORBIDDEN');
}

function describeVisit({ reached, url, ms, auth, login, credentials, proxied, manifestDigest }: RegistryFacts): string {
  const from = credentials === undefined ? 'no credentials found' : `credentials from ${credentials.origin}`;
  if (reached === undefined) return `not asked, --offline; ${from}`;
  const scheme = `over ${url?.split(':', 1)[0] ?? '?'}${proxied ? ' through a proxy' : ''} in ${ms} ms`;
  const who = {
    accepted: `${auth} login accepted, ${from}`,
    anonymous: 'let in anonymously, no credentials found',
    refused: 'login refused',
    none: 'no login wanted',
  }[login ?? 'none'];
  return `reached ${scheme}; ${who}${manifestDigest === undefined ? '' : '; the image is there'}`;
}

function otherChecks({ registry, quota, clockSkewMs }: RegistryFacts): readonly DoctorCheck[] {
  const area = 'registries';
  const checks: DoctorCheck[] = [];
  if (quota !== undefined) {
    const hint = 'Log in for a higher limit, or use a mirror (--mirror).';
    const left = `${quota.remaining ?? '?'} of ${quota.limit ?? '?'} requests left`;
    const window = quota.windowSeconds === undefined ? '' : ` in ${quota.windowSeconds} s`;
    const message = `${registry}: ${left}${window}`;
    checks.push(quota.remaining === 0 ? { area, status: 'warning', message, hint } : { area, status: 'ok', message });
  }
  if (clockSkewMs !== undefined && Math.abs(clockSkewMs) > MAX_SKEW_MS) {
    const message = `${registry}: its clock is ${Math.abs(clockSkewMs) / 1000} s ${clockSkewMs > 0 ? 'ahead of' : 'behind'} ours`;
    checks.push({ area, status: 'warning', message, hint: 'Logins and certificates depend on the time: set the clock.' });
  }
  return checks;
}
