/** `doctor`: what is in force, what works and what does not. It mends nothing and asks only whom it was told to ask. */
import { examineCache } from './doctor-cache.ts';
import { describeSystem, examineEngines } from './doctor-engines.ts';
import { examineCredentials, examineNetwork } from './doctor-network.ts';
import { examineRegistries } from './doctor-registries.ts';
import { examineRemotes, type NamedRemotes } from './doctor-remotes.ts';
import type { DoctorCheck, DoctorResult, SettingFact } from './doctor-results.ts';
import type { Session } from './open-session.ts';

export interface DoctorRequest extends NamedRemotes {
  /** Hosts, images in registries, indexes. */
  readonly names: readonly string[];
  /** Of clipctl. */
  readonly version: string;
  readonly settings: readonly SettingFact[];
  readonly configFile: DoctorResult['configFile'];
  /** Variables that look like settings and are none. */
  readonly unknownVariables: readonly string[];
}

/**
 * Problems are in `checks`; it throws only when it was asked for something that can't be looked at.
 * @throws ClipctlError USAGE, REFERENCE_INVALID, FILE_NOT_FOUND, CLIP_INVALID
 */
export async function examine(session: Session, request: DoctorRequest): Promise<DoctorResult> {
  const startedMs = performance.now();
  // What was named wrongly is said before anything is waited for.
  const registries = examineRegistries(session, request.names);
  const [cache, engines, network, credentials, remotes, visited] = await Promise.all([
    examineCache(session),
    examineEngines(),
    examineNetwork(session, process.env),
    examineCredentials(process.env),
    examineRemotes(session, request),
    registries,
  ]);
  const checks = [
    ...configurationChecks(request),
    ...[cache, engines, network, credentials, remotes, visited].flatMap((part) => part.checks),
  ];
  return {
    ok: checks.every(({ status }) => status !== 'problem'),
    version: request.version,
    system: describeSystem(),
    settings: request.settings,
    configFile: request.configFile,
    cache: cache.found,
    engines: engines.found,
    network: network.found,
    credentialFiles: credentials.found,
    remotes: remotes.found,
    registries: visited.found,
    checks,
    durationMs: Math.round(performance.now() - startedMs),
    warnings: [],
  };
}

function configurationChecks({ configFile, unknownVariables }: DoctorRequest): readonly DoctorCheck[] {
  const area = 'configuration';
  const { path, exists, unknownKeys } = configFile;
  const message =
    path === undefined ? 'no config file: this user has no home directory' : `${path}${exists ? '' : ': there is none'}`;
  return [
    { area, status: 'ok', message },
    ...unknownKeys.map((key): DoctorCheck => ({
      area,
      status: 'warning',
      message: `${path}: unknown key ${JSON.stringify(key)} is ignored`,
      hint: 'Keys are flag names in camelCase, and "remotes".',
    })),
    ...unknownVariables.map((name): DoctorCheck => ({
      area,
      status: 'warning',
      message: `${name} is set, and is no setting of clipctl`,
      hint: 'Each flag in --help shows its variable.',
    })),
  ];
}
