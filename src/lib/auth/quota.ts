/** How much a registry still lets us ask: the headers of Docker Hub (`ratelimit-limit: 100;w=21600`) and of GitHub. */

export interface RegistryQuota {
  readonly limit?: number;
  readonly remaining?: number;
  /** For how long the limit counts. */
  readonly windowSeconds?: number;
  /** Whom the limit is for, as the registry says it: an address or an account. */
  readonly source?: string;
}

/** @param header the value of a header. @returns undefined when nothing is said of a limit */
export function parseQuota(header: (name: string) => string | undefined): RegistryQuota | undefined {
  const either = (name: string): string | undefined => header(name) ?? header(`x-${name}`);
  const [limit, windowSeconds] = readLimit(either('ratelimit-limit'));
  const [remaining] = readLimit(either('ratelimit-remaining'));
  if (limit === undefined && remaining === undefined) return undefined;
  const source = header('docker-ratelimit-source')?.slice(0, 100);
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(remaining === undefined ? {} : { remaining }),
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
    ...(source === undefined || source === '' ? {} : { source }),
  };
}

/** A number, and behind `;w=` the seconds that it counts for. */
function readLimit(value: string | undefined): readonly [amount?: number, windowSeconds?: number] {
  const found = /^\s{0,4}(\d{1,12})(?:\s{0,4};\s{0,4}w=(\d{1,12}))?/.exec(value ?? '');
  if (found === null) return [];
  return found[2] === undefined ? [Number(found[1])] : [Number(found[1]), Number(found[2])];
}
