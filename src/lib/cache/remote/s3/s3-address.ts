/** What `s3://bucket/prefix?endpoint=…&region=…` names. */
import { ClipctlError } from '../../../errors.ts';

export interface S3Address {
  readonly bucket: string;
  /** Without slashes at its ends; empty = the root of the bucket. */
  readonly prefix: string;
  /** A server that is not AWS; it is spoken to in path style. */
  readonly endpoint: URL | undefined;
  readonly region: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;
const REGION = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;
const PARAMETERS: ReadonlySet<string> = new Set(['endpoint', 'region']);
/** A key has at most 1024 bytes (Amazon S3 User Guide, "Naming Amazon S3 objects"); a hash and its suffix need 70. */
const MAX_PREFIX_BYTES = 900;
const EXAMPLE = 's3://bucket/prefix?endpoint=https://s3.example&region=us-east-1';

/**
 * Reads the URL; what it leaves out comes from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION.
 * @throws ClipctlError USAGE; the message shows no value of the URL
 */
export function parseS3Address(url: URL, environment: Environment): S3Address {
  if (url.username !== '' || url.password !== '') {
    throw refused(
      'an s3: URL holds no credentials',
      'Give them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a profile.',
    );
  }
  if (!BUCKET.test(url.hostname) || url.port !== '') throw refused('an s3: URL starts with the name of a bucket');
  const endpoint = parameter(url, 'endpoint') ?? environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
  const region = parameter(url, 'region') ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'];
  if (url.hash !== '' || [...url.searchParams.keys()].some((name) => !PARAMETERS.has(name))) {
    throw refused('an s3: URL takes the parameters endpoint and region, and nothing else');
  }
  if (isGiven(region) && !REGION.test(region)) throw refused('the region of an s3: URL is no name of a region');
  return {
    bucket: url.hostname,
    prefix: prefixOf(url),
    endpoint: isGiven(endpoint) ? endpointOf(endpoint) : undefined,
    region: isGiven(region) ? region : undefined,
  };
}

/** As printed: what decides where bytes go, and no credentials. */
export function printedAddress({ bucket, prefix, endpoint, region }: S3Address): string {
  const path = prefix === '' ? '' : `/${prefix.split('/').map(encodeURIComponent).join('/')}`;
  const parameters = [
    ...(endpoint === undefined ? [] : [`endpoint=${endpoint.href.replace(/\/$/, '')}`]),
    ...(region === undefined ? [] : [`region=${region}`]),
  ];
  return `s3://${bucket}${path}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`;
}

/** The key of some content (FORMATS.md §3): `name` is its hash, with `.zst` behind it where it is packed. */
export function keyOf({ prefix }: Pick<S3Address, 'prefix'>, name: string): string {
  return prefix === '' ? name : `${prefix}/${name}`;
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

function parameter(url: URL, name: string): string | undefined {
  const values = url.searchParams.getAll(name);
  if (values.length > 1) throw refused(`an s3: URL has ${name} more than once`);
  return values[0];
}

function prefixOf(url: URL): string {
  const text = decoded(url.pathname).replace(/^\/+|\/+$/g, '');
  if (text === '') return '';
  const isPlain = text.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');

  if (!isPlain || /[\u0000-\u001f\u007f]/.test(text) || Buffer.byteLength(text) > MAX_PREFIX_BYTES) {
    throw refused('the prefix of an s3: URL must be plain names between slashes');
  }
  return text;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw refused('the prefix of an s3: URL is not readable', undefined, error);
  }
}

function endpointOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw refused('the endpoint of an s3: URL is an http or https address');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw refused('the endpoint of an s3: URL is only a scheme, a host and a path');
  }
  return url;
}

function refused(message: string, hint = `Write it like ${EXAMPLE}`, cause?: unknown): ClipctlError {
  return new ClipctlError('USAGE', message, { hint, ...(cause === undefined ? {} : { cause }) });
}
