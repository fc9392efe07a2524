/** Proxies and authorities in force, and where logins come from. Asks nobody. */
import { readdir } from 'node:fs/promises';
import { examineCredentialPlaces, type CredentialPlace, type ExaminedPlace } from '../auth/credential-places.ts';
import { proxyFor } from '../http/proxy-choice.ts';
import { certsDirectoriesOf, trustOf } from '../http/trust.ts';
import { redactText } from '../redact.ts';
import { failedCheck, type DoctorCheck, type Examined, type NetworkFacts } from './doctor-results.ts';
import type { Session } from './open-session.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const PROXY_VARIABLES = ['https_proxy', 'http_proxy', 'all_proxy'] as const;
const AUTHORITY_VARIABLES = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'] as const;
/** Any server that is not local: proxies and authorities are judged for it. */
const SOMEWHERE = new URL('https://registry.invalid/');

export async function examineNetwork({ options }: Session, environment: Environment): Promise<Examined<NetworkFacts>> {
  const { offline, caFile } = options;
  const noProxy = environment['no_proxy'] ?? environment['NO_PROXY'] ?? '';
  const found: NetworkFacts = {
    offline,
    proxies: PROXY_VARIABLES.flatMap((name) => proxyIn(name, environment)),
    ...(noProxy === '' ? {} : { noProxy: redactText(noProxy) }),
    authorities: [
      ...(caFile === undefined ? [] : [{ setting: '--ca-file', path: caFile }]),
      ...AUTHORITY_VARIABLES.flatMap((setting) => {
        const path = environment[setting] ?? '';
        return path === '' ? [] : [{ setting, path }];
      }),
    ],
    certsDirectories: await certsDirectories(environment),
  };
  return { found, checks: [proxyCheck(found, environment), trustCheck(found, environment)] };
}

function proxyIn(name: (typeof PROXY_VARIABLES)[number], environment: Environment): NetworkFacts['proxies'] {
  const upper = name.toUpperCase();
  const variable = environment[name] === undefined ? upper : name;
  const value = (environment[variable] ?? '').trim();
  if (value === '') return [];
  return [{ variable, url: redactText(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`) }];
}

async function certsDirectories(environment: Environment): Promise<NetworkFacts['certsDirectories']> {
  const found = await Promise.all(
    certsDirectoriesOf(environment).map(async (path) => {
      // Missing, or not for us: then no file of it counts.
      const registries = await readdir(path).catch(() => undefined);
      return registries === undefined ? [] : [{ path, registries: registries.sort() }];
    }),
  );
  return found.flat();
}

function proxyCheck({ proxies }: NetworkFacts, environment: Environment): DoctorCheck {
  try {
    for (const protocol of ['https:', 'http:']) proxyFor(new URL(SOMEWHERE.href.replace('https:', protocol)), environment);
  } catch (error) {
    return failedCheck(error, { area: 'network' });
  }
  const list = proxies.map(({ variable, url }) => `${variable} ${url}`).join(', ');
  return { area: 'network', status: 'ok', message: list === '' ? 'no proxy' : `proxy: ${list}` };
}

function trustCheck({ authorities }: NetworkFacts, environment: Environment): DoctorCheck {
  const caFile = authorities.find(({ setting }) => setting === '--ca-file')?.path;
  try {
    trustOf(SOMEWHERE.host, { environment, ...(caFile === undefined ? {} : { caFile }) });
    // Node reads it for itself when no list of ours takes its place.
    const extra = authorities.find(({ setting }) => setting === 'NODE_EXTRA_CA_CERTS');
    if (extra !== undefined) trustOf(SOMEWHERE.host, { environment: {}, caFile: extra.path });
  } catch (error) {
    return failedCheck(error, { area: 'network' });
  }
  const list = authorities.map(({ setting, path }) => `${setting} ${path}`).join(', ');
  const message = list === '' ? "TLS: node's own authorities" : `TLS: authorities of ${list}`;
  return { area: 'network', status: 'ok', message };
}

/** Files of docker and podman with what they have entries for; a helper that is named and not there is worth a warning. */
export async function examineCredentials(environment: Environment): Promise<Examined<readonly CredentialPlace[]>> {
  const examined = await examineCredentialPlaces(environment);
  const checks = examined.flatMap(placeChecks);
  const nothing: DoctorCheck = {
    area: 'credentials',
    status: 'ok',
    message: 'no login is stored in any file of docker or podman: registries are asked anonymously',
  };
  return { found: examined.map(({ place }) => place), checks: checks.length === 0 ? [nothing] : checks };
}

function placeChecks({ place, failure }: ExaminedPlace): readonly DoctorCheck[] {
  const area = 'credentials';
  if (failure !== undefined) return [failedCheck(failure, { area })];
  if (!place.exists) return [];
  const { path, registries, helpers } = place;
  const missing = helpers.filter(({ installed }) => !installed);
  return [
    { area, status: 'ok', message: `${path}: ${describeContent(registries, helpers)}` },
    ...missing.map(({ name }): DoctorCheck => ({
      area,
      status: 'warning',
      message: `${path} names ${name}, which is not on the PATH: it is passed over`,
      hint: 'Install it, or take it out of the file.',
    })),
  ];
}

function describeContent(registries: readonly string[], helpers: CredentialPlace['helpers']): string {
  const named = helpers.map(({ name, registry }) => `${name} for ${registry ?? 'all'}`);
  const all = [...registries, ...named];
  return all.length === 0 ? 'no logins in it' : `logins for ${all.join(', ')}`;
}
