/** The data sets of the distribution specification's conformance suite as image layouts, and their odd relatives. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

type Json = Record<string, unknown>;

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
/** The smallest tar: its end. */
const EMPTY_TAR = Buffer.alloc(1024);
const ARCHITECTURE = { x64: 'amd64' }[process.arch as string] ?? process.arch;
const PLATFORM = { os: 'linux', architecture: ARCHITECTURE };

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A tar of one file, padded as tar does. */
export function tarOf(name: string, content: string): Buffer {
  const header = Buffer.alloc(512);
  const field = (text: string, at: number): number => header.write(text, at, 'latin1');
  field(name, 0);
  field('0000644\0', 100);
  field('0000000\0', 108);
  field('0000000\0', 116);
  field(`${Buffer.byteLength(content).toString(8).padStart(11, '0')}\0`, 124);
  field('00000000000\0', 136);
  field('        0', 148);
  field('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  field(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body, EMPTY_TAR]);
}

class Layout {
  readonly directory: string;
  constructor(directory: string) {
    this.directory = directory;
  }
  async put(bytes: Buffer, mediaType: string): Promise<Blob> {
    await mkdir(join(this.directory, 'blobs/sha256'), { recursive: true });
    await writeFile(join(this.directory, 'blobs/sha256', sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  }
  /** Config and manifest of these layers; `change` gets the manifest before it is written. */
  async image(
    layers: readonly { readonly tar: Buffer; readonly blob: Blob }[],
    change: (manifest: Json) => Json = (manifest) => manifest,
  ): Promise<Blob> {
    const diff_ids = layers.map(({ tar }) => `sha256:${sha256(tar)}`);
    const config = await this.json({ ...PLATFORM, config: {}, rootfs: { type: 'layers', diff_ids } }, CONFIG);
    const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: layers.map(({ blob }) => blob) };
    return this.json(change(manifest), MANIFEST);
  }
  async layer(
    tar: Buffer,
    { gzip = true, mediaType }: { readonly gzip?: boolean; readonly mediaType?: string } = {},
  ): Promise<{ tar: Buffer; blob: Blob }> {
    return { tar, blob: await this.put(gzip ? gzipSync(tar) : tar, mediaType ?? (gzip ? `${LAYER}+gzip` : LAYER)) };
  }
  json(value: unknown, mediaType: string): Promise<Blob> {
    return this.put(Buffer.from(JSON.stringify(value)), mediaType);
  }
  async tag(root: Blob): Promise<void> {
    const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
    await writeFile(
      join(this.directory, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...root, annotations }] }),
    );
    await writeFile(join(this.directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  }
}

type Make = (layout: Layout) => Promise<Blob>;
const one = (layout: Layout) => layout.layer(tarOf('file', 'content'));
const listed = (blob: Blob): Json => ({ ...blob, platform: PLATFORM });
const indexOf = (layout: Layout, ...manifests: readonly Json[]): Promise<Blob> =>
  layout.json({ schemaVersion: 2, mediaType: INDEX, manifests }, INDEX);

const GOOD: Readonly<Record<string, Make>> = {
  'uncompressed-layers': async (layout) => layout.image([await layout.layer(tarOf('file', 'content'), { gzip: false })]),
  'manifest-of-3.9-mb': async (layout) =>
    layout.image([await one(layout)], (manifest) => ({ ...manifest, annotations: { large: 'x'.repeat(3_900_000) } })),
  'nested-index': async (layout) => {
    const inner = await indexOf(layout, listed(await layout.image([await one(layout)])));
    return indexOf(layout, { ...inner });
  },
  'data-field': async (layout) => {
    const data = { data: Buffer.from('anything').toString('base64') };
    return layout.image([await one(layout)], ({ config, layers, ...manifest }) => ({
      ...manifest,
      config: { ...(config as Json), ...data },
      layers: (layers as Json[]).map((layer) => ({ ...layer, ...data })),
    }));
  },
  'extra-fields': async (layout) =>
    layout.image([await one(layout)], ({ config, ...manifest }) => ({
      ...manifest,
      config: { ...(config as Json), 'org.example': { nested: [1, null] } },
      'org.example': [{ deep: true }],
      subject: { mediaType: MANIFEST, digest: `sha256:${'a'.repeat(64)}`, size: 7 },
    })),
  'no-layers': async (layout) => layout.image([]),
  'empty-tar': async (layout) => layout.image([await layout.layer(EMPTY_TAR), await one(layout)]),
  'empty-gzip': async (layout) => layout.image([await layout.layer(Buffer.alloc(0)), await one(layout)]),
  'one-layer-five-times': async (layout) => {
    const layer = await one(layout);
    return layout.image([layer, layer, layer, layer, layer]);
  },
  'one-manifest-twice-in-an-index': async (layout) => {
    const image = listed(await layout.image([await one(layout)]));
    return indexOf(layout, image, image);
  },
};

/** Exit code and error code. */
const REFUSED: Readonly<Record<string, readonly [make: Make, exit: number, code: string]>> = {
  'manifest-over-4-mib': [
    async (layout) =>
      layout.image([await one(layout)], (manifest) => ({ ...manifest, annotations: { large: 'x'.repeat(4 * 1024 ** 2) } })),
    9,
    'LIMIT_MANIFEST_SIZE',
  ],
  'empty-index': [(layout) => indexOf(layout), 4, 'PLATFORM_NOT_FOUND'],
  'index-of-artifacts': [
    async (layout) => indexOf(layout, { ...(await layout.image([])), artifactType: 'application/spdx+json' }),
    4,
    'PLATFORM_NOT_FOUND',
  ],
  artifact: [
    async (layout) => {
      const empty = await layout.put(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
      return layout.image([], (manifest) => ({
        ...manifest,
        config: empty,
        artifactType: 'application/vnd.example',
        layers: [empty],
      }));
    },
    9,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  'artifact-manifest': [
    (layout) =>
      layout.json(
        { mediaType: 'application/vnd.oci.artifact.manifest.v1+json', blobs: [] },
        'application/vnd.oci.artifact.manifest.v1+json',
      ),
    9,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  'schema-1': [
    (layout) => {
      const type = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
      return layout.json(
        { schemaVersion: 1, name: 'a', tag: 'b', architecture: 'amd64', fsLayers: [], history: [], signatures: [] },
        type,
      );
    },
    9,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  'sha512-layer': [
    async (layout) =>
      layout.image([await one(layout)], (manifest) => ({
        ...manifest,
        layers: [{ mediaType: LAYER, digest: `sha512:${'a'.repeat(128)}`, size: 7 }],
      })),
    9,
    'UNSUPPORTED_DIGEST',
  ],
  'layer-of-unknown-type': [
    async (layout) => layout.image([await layout.layer(tarOf('a', 'b'), { mediaType: 'application/vnd.example.layer' })]),
    9,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  'non-distributable-with-urls': [
    async (layout) => {
      const { tar, blob } = await layout.layer(tarOf('a', 'b'), {
        mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      });
      return layout.image([{ tar, blob }], (manifest) => ({
        ...manifest,
        layers: [{ ...blob, urls: ['http://192.0.2.1/layer'] }],
      }));
    },
    9,
    'FOREIGN_LAYER',
  ],
};

/** Images that every command takes. */
export const TAKEN_IMAGES: readonly string[] = Object.keys(GOOD);

/** Images that no command takes, and what it says. */
export const REFUSED_IMAGES: readonly (readonly [name: string, exit: number, code: string])[] = Object.entries(REFUSED).map(
  ([name, [, exit, code]]) => [name, exit, code],
);

/** Writes all of them below `folder`, each with the tag v1; gives their names and directories. */
export async function writeConformanceLayouts(folder: string): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  const makers = [...Object.entries(GOOD), ...Object.entries(REFUSED).map(([name, [make]]) => [name, make] as const)];
  for (const [name, make] of makers) {
    const layout = new Layout(join(folder, name));
    await layout.tag(await make(layout));
    made.set(name, layout.directory);
  }
  return made;
}
