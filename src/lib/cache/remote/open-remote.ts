/** Scheme → driver. The only file that opens drivers; a driver's module is loaded when its scheme is used. */
import { fileURLToPath } from 'node:url';
import { ClipctlError } from '../../errors.ts';
import type { ContentCache } from '../content-cache.ts';
import { remoteCacheOf, type RemoteCache, type RemoteUse } from '../remote-cache.ts';
import type { RemoteContext } from '../remote-context.ts';
import { withEncodedForm } from './encoded/encoded-form.ts';

type OpenDriver = (url: URL, context: RemoteContext) => Promise<ContentCache>;

const DRIVERS: ReadonlyMap<string, OpenDriver> = new Map<string, OpenDriver>([
  ['file:', openFile],
  ['s3:', openS3],
  ['http:', openHttp],
  ['https:', openHttp],
  ['redis:', openRedis],
  ['rediss:', openRedis],
  ['oci:', openRegistry],
  ['blobcache:', openBlobcache],
]);

const SUPPORTED = `Supported: ${[
  'file:///directory',
  's3://bucket/prefix',
  'https://host/prefix',
  'redis://host/database',
  'rediss://host/database',
  'oci://host/repository',
  'blobcache://host:port',
].join(', ')}`;

/**
 * Opens the remote cache at `text` (CLI.md "Naming a remote cache"). Nothing is read or made yet.
 * @throws ClipctlError USAGE; the message shows no credentials
 */
export async function openRemote(text: string, context: RemoteContext, use: RemoteUse = {}): Promise<RemoteCache> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refused('a remote cache is named by a URL');
  const open = DRIVERS.get(url.protocol);
  if (open === undefined) throw refused(`no remote cache is known for ${url.protocol.slice(0, 32)}//`);
  const driver = withEncodedForm(await open(url, context), context.budget);
  return remoteCacheOf(driver, { policy: context.policy, ...use });
}

async function openFile(url: URL): Promise<ContentCache> {
  if (url.host !== '' || url.username !== '') throw refused('a file: URL names no host: write three slashes, file:///directory');
  if (url.search !== '' || url.hash !== '') throw refused('a file: URL takes no parameters');
  const { openFileRemote } = await import('./file.ts');
  return openFileRemote(pathOf(url));
}

async function openRedis(url: URL, context: RemoteContext): Promise<ContentCache> {
  const { openRedisRemote } = await import('./redis/redis-remote.ts');
  return openRedisRemote(url, context);
}

async function openS3(url: URL, context: RemoteContext): Promise<ContentCache> {
  const { openS3Remote } = await import('./s3/s3-remote.ts');
  return openS3Remote(url, context);
}

async function openRegistry(url: URL, context: RemoteContext): Promise<ContentCache> {
  const { openRegistryRemote } = await import('./registry/registry-remote.ts');
  return openRegistryRemote(url, context);
}

async function openBlobcache(url: URL, context: RemoteContext): Promise<ContentCache> {
  const { openBlobcacheRemote } = await import('./blobcache/blobcache-remote.ts');
  return openBlobcacheRemote(url, context);
}

async function openHttp(url: URL, context: RemoteContext): Promise<ContentCache> {
  if (url.search !== '' || url.hash !== '') throw refused('the URL of a web server takes no parameters here');
  const { openHttpRemote } = await import('./http/http-remote.ts');
  return openHttpRemote(url, context);
}

function pathOf(url: URL): string {
  try {
    const path = fileURLToPath(url);
    if (!path.includes('\0')) return path;
  } catch (error) {
    throw refused('a file: URL names no usable path', error);
  }
  throw refused('a file: URL names no usable path');
}

function refused(message: string, cause?: unknown): ClipctlError {
  return new ClipctlError('USAGE', message, { hint: SUPPORTED, ...(cause === undefined ? {} : { cause }) });
}
