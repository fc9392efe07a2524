/** RELIABILITY §1.3 row 17: what a server quotes of what it was sent reaches no message. */
import { inspect } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import { startLoopbackRegistry, type LoopbackOptions, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { layoutOf, openForTest } from '../source/open-for-test.ts';

const LOGIN = { username: 'robot', password: 'canary-password-51dd' };
const BASIC = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64');
const { signal } = new AbortController();
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function open(options: Partial<LoopbackOptions>): Promise<{ registry: LoopbackRegistry; source: ImageSource }> {
  const registry = await startLoopbackRegistry({ repositories: { 'lab/image': layoutOf('odd-plain') }, ...options });
  const source = openForTest(`${registry.host}/lab/image:v1`, { credentials: LOGIN, retries: 0 });
  closing.push(
    () => registry.close(),
    () => source.close(),
  );
  return { registry, source };
}

/** The error with all that hangs on it. */
async function refusalOf(source: ImageSource): Promise<string> {
  const error: unknown = await source.resolve({ signal }).catch((caught: unknown) => caught);
  return inspect(error, { depth: 20, showHidden: true });
}

const quoting = (text: string) => ({ status: 403, body: JSON.stringify({ errors: [{ message: `refused <${text}> for you` }] }) });

test('row 17: a bearer token, bare, of a request and of the ones before', async () => {
  const { registry, source } = await open({ auth: { kind: 'bearer', ...LOGIN, lifeSeconds: 0, claimedSeconds: 300 } });
  const tokens: string[] = [];
  registry.script = ({ headers, path }) => {
    const token = /^Bearer (.+)$/.exec(String(headers['authorization']))?.[1];
    if (token === undefined || path === '/token') return undefined;
    tokens.push(token);
    return tokens.length < 2 ? undefined : quoting(tokens.join(' '));
  };
  const text = await refusalOf(source);
  expect(text).toContain('refused <');
  expect(new Set(tokens).size).toBe(2);
  for (const token of tokens) expect(text).not.toContain(token);
});

test('row 17: the base64 form of a login, bare', async () => {
  const { registry, source } = await open({ auth: { kind: 'basic', ...LOGIN } });
  registry.script = ({ headers }) => (headers['authorization'] === undefined ? undefined : quoting(BASIC));
  const text = await refusalOf(source);
  expect(text).toContain('refused <');
  expect(text).not.toContain(BASIC);
});

test('row 17: the signature of a presigned address, bare', async () => {
  const { registry, source } = await open({ redirectBlobs: true });
  registry.script = ({ server, query }) =>
    server === 'storage' ? quoting(new URLSearchParams(query).get('X-Amz-Signature') ?? '') : undefined;
  const text = await refusalOf(source);
  expect(text).toContain('refused <');
  expect(text).not.toContain('presigned-canary');
});
