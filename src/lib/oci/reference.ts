/**
 * References, as docker and the distribution project write them: `[host[:port]/]repository[:tag][@digest]`. Hand-written
 * and linear: the well-known regular expression takes seconds for 28 hostile characters (RELIABILITY §1.2).
 */
import { ClipctlError } from '../errors.ts';
import { parseDigest, type Digest } from './digest.ts';

export interface Reference {
  /** `host[:port]`, lower case; `docker.io` when none was written. */
  readonly registry: string;
  readonly repository: string;
  /** Absent only when a digest is given without a tag. */
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_REGISTRY = 'docker.io';
const MAX_REFERENCE_CHARS = 4096;
const MAX_REPOSITORY_CHARS = 255;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const HEX_64 = /^[0-9a-f]{64}$/;

/**
 * Parses a reference and fills in docker's defaults (`docker.io`, `library/`, `latest`).
 * @throws ClipctlError REFERENCE_INVALID, DIGEST_INVALID, UNSUPPORTED_DIGEST
 */
export function parseReference(text: string): Reference {
  if (text.length === 0 || text.length > MAX_REFERENCE_CHARS) throw invalid(text, `it has ${text.length} characters`);
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const { registry, path } = splitRegistry(named, text);
  const colon = path.indexOf(':');
  const repository = normalRepository(registry, colon < 0 ? path : path.slice(0, colon));
  assertRepository(repository, text);
  const tag = colon < 0 ? undefined : path.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag))
    throw invalid(text, 'the tag may hold letters, digits, "_", "." and "-" only, 128 at most');
  if (at >= 0) {
    const digest = parseDigest(text.slice(at + 1), 'reference');
    return { registry, repository, ...(tag === undefined ? {} : { tag }), digest };
  }
  return { registry, repository, tag: tag ?? 'latest' };
}

/** The whole name, defaults written out: `docker.io/library/alpine:latest`. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The first component is a host when it looks like one: a dot, a port, `localhost`, a bracket or an upper-case letter. */
function splitRegistry(named: string, text: string): { registry: string; path: string } {
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const isHost = first.includes('.') || first.includes(':') || first === 'localhost' || first !== first.toLowerCase();
  if (!isHost) return { registry: DEFAULT_REGISTRY, path: named };
  const host = first.toLowerCase();
  if (!isHostAndPort(host)) throw invalid(text, `${JSON.stringify(first.slice(0, 100))} is no host`);
  return { registry: host === 'index.docker.io' ? DEFAULT_REGISTRY : host, path: named.slice(slash + 1) };
}

function normalRepository(registry: string, repository: string): string {
  return registry === DEFAULT_REGISTRY && repository !== '' && !repository.includes('/') ? `library/${repository}` : repository;
}

/** True for `name`, `1.2.3.4`, `[::1]`, each with an optional port. */
export function isHostAndPort(host: string): boolean {
  if (host.length > 300) return false;
  const bracket = host.startsWith('[') ? host.indexOf(']') : -1;
  const colon = host.indexOf(':', bracket + 1);
  const name = colon < 0 ? host : host.slice(0, colon);
  if (colon >= 0 && !isPort(host.slice(colon + 1))) return false;
  if (bracket >= 0) return bracket === name.length - 1 && URL.canParse(`http://${name}/`);
  return name.split('.').every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
}

function isPort(text: string): boolean {
  return /^[0-9]{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

function assertRepository(repository: string, text: string): void {
  if (repository.length === 0) throw invalid(text, 'the repository is missing');
  if (repository.length > MAX_REPOSITORY_CHARS)
    throw invalid(text, `the repository is longer than ${MAX_REPOSITORY_CHARS} characters`);
  const components = repository.split('/');
  if (!components.every(isPathComponent)) {
    const upper = repository !== repository.toLowerCase();
    throw invalid(text, upper ? 'the repository must be lower case' : 'the repository is not well formed');
  }
  // An image's identifier in docker's own store, which no registry knows.
  if (HEX_64.test(text)) throw invalid(text, 'a repository cannot be 64 hex digits; write a digest as name@sha256:…');
}

/** Letters and digits, joined by one `.`, one or two `_`, or any number of `-`. */
function isPathComponent(component: string): boolean {
  let separator = '.';
  for (const c of component) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      separator = '';
    } else if (c === '.' || c === '_' || c === '-') {
      const joined = separator + c;
      const isAllowed = separator === '' || joined === '__' || (c === '-' && separator === '-');
      if (!isAllowed) return false;
      separator = joined === '--' ? '-' : joined;
    } else {
      return false;
    }
  }
  return separator === '';
}

function invalid(text: string, problem: string): ClipctlError {
  return new ClipctlError('REFERENCE_INVALID', `not an image reference: ${JSON.stringify(text.slice(0, 200))}: ${problem}`, {
    hint: 'Write [host[:port]/]repository[:tag][@digest], such as alpine:3.20 or ghcr.io/owner/app@sha256:….',
  });
}
