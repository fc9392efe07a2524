/** RELIABILITY §2 row 10 through the command: tokens and presigned addresses that die while a run goes on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackOptions, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
let registry: LoopbackRegistry | undefined;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  await registry?.close();
  registry = undefined;
  await home.remove();
});

async function serve(
  layers: readonly MadeLayer[],
  options: Omit<LoopbackOptions, 'repositories'>,
): Promise<{ registry: LoopbackRegistry; made: MadeLayout; name: string }> {
  const made = await makeLayout(home.path('app'), layers);
  registry = await startLoopbackRegistry({ repositories: { app: made.directory }, ...options });
  return { registry, made, name: `${registry.host}/app:v1` };
}

const isBlob = ({ path }: { path: string }): boolean => path.includes('/blobs/');

describe('row 10: a run that outlives its logins', () => {
  it('with tokens of 2 s and 8 streams succeeds, with at most run/TTL + 2 token requests', async () => {
    const layers = Array.from({ length: 16 }, (_, at) => ({
      files: { f: Buffer.alloc(100_000, at + 1) },
      compression: 'none' as const,
    }));
    const { registry, name } = await serve(layers, { auth: { kind: 'bearer', lifeSeconds: 2 } });
    registry.script = (request) =>
      isBlob(request) ? { bytesPerSecond: 60_000, ...(request.count === 1 ? { cutAt: 80_000 } : {}) } : undefined;
    const startedAt = performance.now();
    const result = await home.run(['warm', name, '--jobs', '8', '--max-memory', '64MiB', '--json']);
    const runMs = performance.now() - startedAt;
    expect([result.code, result.json().error?.message]).toEqual([0, undefined]);
    const tokenRequests = registry.countOf('/token');
    expect(runMs).toBeGreaterThan(2000);
    expect(tokenRequests).toBeGreaterThan(1);
    expect(tokenRequests).toBeLessThanOrEqual(Math.ceil(runMs / 2000) + 2);
    process.stdout.write(`row 10: ${tokenRequests} token requests in ${Math.round(runMs)} ms\n`);
  });

  it('whose presigned blob URL dies asks the registry again, never the old URL', async () => {
    const { registry, made, name } = await serve([{ files: { a: Buffer.alloc(300_000, 7) }, compression: 'none' }], {
      redirectBlobs: true,
    });
    const path = `/v2/app/blobs/${made.layers[0]?.digest ?? ''}`;
    const of = (server: string) =>
      registry.requests.filter((request) => request.server === server && request.path === path).length;
    // Each redirect is good for one request.
    registry.script = (request) => {
      if (request.server !== 'storage' || request.path !== path) return undefined;
      return of('storage') > of('registry')
        ? { status: 403, body: 'Request has expired' }
        : of('storage') < 4
          ? { cutAt: 70_000 }
          : undefined;
    };
    const result = await home.run(['warm', name, '--json']);
    expect([result.code, of('storage'), of('registry')]).toEqual([0, 4, 4]);
    expect(registry.requests.filter(({ server, status }) => server === 'storage' && status === 403)).toEqual([]);
  });
});
