import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/lib/errors.ts';
import { makeHome, type Home, type JsonDocument } from '../e2e/run-cli.ts';
import { CACHE_LIST, CACHE_PATH, CACHE_USAGE, CACHE_VERIFIED, PINS, PRUNED } from './cache-documents.ts';
import { DOCTOR } from './doctor-document.ts';
import { INDEX, INSPECT, PLAN, PUSH, WARM } from './documents.ts';
import { VERIFIED } from './verify-documents.ts';
import { check, readSchema } from './json-schema.ts';

const fixture = (name: string): string => `oci:${fileURLToPath(new URL(`../fixtures/${name}/oci`, import.meta.url))}`;
const IMAGE = fixture('odd-gzip');
const head = (command: string) => ({ schemaVersion: 1, command });

describe('a document with every field of its type', () => {
  it.each([
    ['index', 'index', INDEX],
    ['warm', 'warm', WARM],
    ['push-cache', 'push-cache', PUSH],
    ['inspect', 'inspect', INSPECT],
    ['plan', 'warm', PLAN],
    ['verify', 'verify', VERIFIED],
    ['doctor', 'doctor', DOCTOR],
    ['cache-du', 'cache du', CACHE_USAGE],
    ['cache-ls', 'cache ls', CACHE_LIST],
    ['cache-path', 'cache path', CACHE_PATH],
    ['cache-prune', 'cache prune', PRUNED],
    ['cache-verify', 'cache verify', CACHE_VERIFIED],
    ['cache-pin', 'cache pin', PINS],
  ])('is what schemas/%s.schema.json describes', (name, command, document) => {
    expect(check({ ...head(command), ...document }, readSchema(name))).toEqual([]);
  });

  it.each(['index', 'warm', 'push-cache', 'inspect', 'plan', 'error'])('of another kind is refused by %s', (name) => {
    expect(check({ ...head('other'), nonsense: true }, readSchema(name)).length).toBeGreaterThan(1);
  });

  it('lacks nothing: each required field is missed when it is not there', () => {
    const schema = readSchema('warm');
    for (const field of Object.keys(WARM)) {
      const { [field as keyof typeof WARM]: _, ...rest } = WARM;
      expect(check({ ...head('warm'), ...rest }, schema)).toEqual([`$.${field}: missing`]);
    }
  });
});

describe('the schema of an error', () => {
  it('lists every code', () => {
    const { error } = readSchema('error')['properties'] as { error: { properties: { code: { enum: string[] } } } };
    expect(error.properties.code.enum).toEqual([...ERROR_CODES]);
  });
});

describe('what a command really prints', () => {
  let home: Home;
  let remote: string;
  beforeAll(async () => {
    home = await makeHome();
    remote = `file://${home.path('remote')}`;
    await mkdir(home.path('remote'));
  });
  afterAll(() => home.remove());

  async function print(...args: readonly string[]): Promise<JsonDocument> {
    const result = await home.run([...args, '--json']);
    expect(result.stdout.endsWith('}\n')).toBe(true);
    return result.json();
  }

  it('is described by the schemas, from a cold cache to a warm one', async () => {
    expect(check(await print('warm', IMAGE, '--to', remote, '--dry-run'), readSchema('plan'))).toEqual([]);
    expect(check(await print('inspect', IMAGE, '--from', remote), readSchema('inspect'))).toEqual([]);
    expect(check(await print('index', IMAGE, '--warm', '-o', home.path('x.clip')), readSchema('index'))).toEqual([]);
    expect(check(await print('push-cache', home.path('x.clip'), '--to', remote), readSchema('push-cache'))).toEqual([]);
    expect(check(await print('warm', IMAGE, '--from', remote), readSchema('warm'))).toEqual([]);
    const inspected = await print('inspect', home.path('x.clip'), '--from', remote);
    expect(check(inspected, readSchema('inspect'))).toEqual([]);
    expect(inspected['warm']).toBe(true);
  });

  it.each([
    ['a wrong flag', ['warm', IMAGE, '--jsno'], 'warm', 'USAGE', 2],
    ['a missing argument', ['warm'], 'warm', 'USAGE', 2],
    ['a missing value', ['warm', IMAGE, '--jobs'], 'warm', 'USAGE', 2],
    ['an argument too many', ['inspect', IMAGE, IMAGE], 'inspect', 'USAGE', 2],
    ['an unknown command', ['wram', IMAGE], 'wram', 'USAGE', 2],
    ['no command', [], 'clipctl', 'USAGE', 2],
    ['a wrong platform', ['warm', IMAGE, '--platform', 'a/b/c/d/e'], 'warm', 'PLATFORM_INVALID', 2],
    ['no remote', ['push-cache', IMAGE], 'push-cache', 'USAGE', 2],
    ['a missing layout', ['inspect', 'oci:nowhere'], 'inspect', 'IMAGE_NOT_FOUND', 4],
    ['a missing index', ['inspect', 'nowhere.clip'], 'inspect', 'FILE_NOT_FOUND', 4],
    ['a missing platform', ['warm', fixture('multiplatform'), '--platform', 'plan9/mips'], 'warm', 'PLATFORM_NOT_FOUND', 4],
  ])('after %s is the error document and nothing else', async (_, args, ...expected) => {
    const result = await home.run([...args, '--json']);
    const document = result.json();
    expect(check(document, readSchema('error'))).toEqual([]);
    expect([document.command, document.error?.code, result.code]).toEqual(expected);
  });
});
