/** A loopback registry with one image of one random layer, and what went wrong with its blobs. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RetryEvent } from '../../src/lib/http/retry.ts';
import type { LayerDescriptor } from '../../src/lib/oci/descriptor.ts';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import type { OpenSourceOptions } from '../../src/lib/source/open-source.ts';
import {
  startLoopbackRegistry,
  type Fault,
  type LoopbackOptions,
  type LoopbackRegistry,
  type RecordedRequest,
} from '../servers/loopback-registry.ts';
import { openForTest } from './open-for-test.ts';
import { writeRandomLayout } from './random-layout.ts';

export interface RandomRegistry {
  readonly registry: LoopbackRegistry;
  /** A source and its layer, resolved without faults; its retries are noted. */
  openLayer(
    options?: Partial<OpenSourceOptions>,
  ): Promise<{ source: ImageSource; layer: LayerDescriptor; retries: RetryEvent[] }>;
  /** Faults by the number of the blob request, 0 first. Gives the blob requests. */
  script(faultOf: (at: number) => Fault | undefined): readonly RecordedRequest[];
  bytesOf(layer: LayerDescriptor): Promise<Buffer>;
  close(): Promise<void>;
}

export async function startRandomRegistry(
  layerBytes: number,
  options: Omit<LoopbackOptions, 'repositories'> = {},
): Promise<RandomRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-random-'));
  await writeRandomLayout(directory, layerBytes);
  const registry = await startLoopbackRegistry({ repositories: { 'lab/random': directory }, ...options });
  const opened: ImageSource[] = [];
  return {
    registry,
    openLayer: async (sourceOptions) => {
      registry.script = undefined;
      const retries: RetryEvent[] = [];
      const noted = { onRetry: (event: RetryEvent) => void retries.push(event) };
      const source = openForTest(`${registry.host}/lab/random:v1`, { ...noted, ...sourceOptions });
      opened.push(source);
      const [layer] = (await source.resolve({ signal: new AbortController().signal })).layers;
      if (layer === undefined) throw new Error('no layer');
      return { source, layer, retries };
    },
    script: (faultOf) => {
      const seen: RecordedRequest[] = [];
      registry.script = (request) => {
        const isBlob = request.path.includes('/blobs/');
        return isBlob ? faultOf(seen.push(request) - 1) : undefined;
      };
      return seen;
    },
    bytesOf: (layer) => readFile(join(directory, 'blobs', 'sha256', layer.digest.slice('sha256:'.length))),
    close: async () => {
      await Promise.all(opened.map((source) => source.close()));
      await registry.close();
      await rm(directory, { recursive: true });
    },
  };
}
