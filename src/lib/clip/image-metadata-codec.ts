/** CLIP's `ImageMetadata` (FORMATS.md §1), field for field in Go's order. */
import type { ClipImageMetadata, ClipLayerData, ClipTime } from './clip-file.ts';
import { int, text } from './gob/basic-codecs.ts';
import { convert, map, slice, struct } from './gob/composite-codecs.ts';
import type { GobCodec } from './gob/gob-codec.ts';
import { time } from './gob/gob-time.ts';
import { stringSet } from './gob/string-set.ts';

interface GoLayerData {
  readonly MIMEType: string;
  readonly Digest: string;
  readonly Size: number;
  readonly Annotations: ReadonlyMap<string, string>;
}

interface GoImageMetadata {
  readonly Name: string;
  readonly Digest: string;
  readonly RepoTags: readonly string[];
  readonly Created: ClipTime | undefined;
  readonly DockerVersion: string;
  readonly Labels: ReadonlyMap<string, string>;
  readonly Architecture: string;
  readonly Os: string;
  readonly Variant: string;
  readonly Author: string;
  readonly Env: readonly string[];
  readonly Cmd: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly User: string;
  readonly WorkingDir: string;
  readonly ExposedPorts: readonly string[];
  readonly Volumes: readonly string[];
  readonly StopSignal: string;
  readonly Layers: readonly string[];
  readonly LayersData: readonly ClipLayerData[];
}

export const textList = slice(text, '[]string');
export const textMap = map(text, 'map[string]string');

const layerData: GobCodec<ClipLayerData> = convert(
  struct<GoLayerData>('LayerMetadata', { MIMEType: text, Digest: text, Size: int, Annotations: textMap }),
  {
    toOurs: ({ MIMEType, Digest, Size, Annotations }) => ({
      mediaType: MIMEType,
      digest: Digest,
      sizeBytes: Size,
      annotations: Annotations,
    }),
    toWire: (layer) => ({
      MIMEType: layer.mediaType,
      Digest: layer.digest,
      Size: layer.sizeBytes,
      Annotations: layer.annotations,
    }),
  },
);

const goImageMetadata = struct<GoImageMetadata>('ImageMetadata', {
  Name: text,
  Digest: text,
  RepoTags: textList,
  Created: time,
  DockerVersion: text,
  Labels: textMap,
  Architecture: text,
  Os: text,
  Variant: text,
  Author: text,
  Env: textList,
  Cmd: textList,
  Entrypoint: textList,
  User: text,
  WorkingDir: text,
  ExposedPorts: stringSet,
  Volumes: stringSet,
  StopSignal: text,
  Layers: textList,
  LayersData: slice(layerData, '[]common.LayerMetadata'),
});

export const imageMetadata: GobCodec<ClipImageMetadata> = convert(goImageMetadata, {
  toOurs: metadataOfGo,
  toWire: goOfMetadata,
});

function metadataOfGo(go: GoImageMetadata): ClipImageMetadata {
  return {
    name: go.Name,
    digest: go.Digest,
    repoTags: go.RepoTags,
    ...(go.Created && { created: go.Created }),
    dockerVersion: go.DockerVersion,
    labels: go.Labels,
    architecture: go.Architecture,
    os: go.Os,
    variant: go.Variant,
    author: go.Author,
    env: go.Env,
    cmd: go.Cmd,
    entrypoint: go.Entrypoint,
    user: go.User,
    workingDir: go.WorkingDir,
    exposedPorts: go.ExposedPorts,
    volumes: go.Volumes,
    stopSignal: go.StopSignal,
    layers: go.Layers,
    layersData: go.LayersData,
  };
}

function goOfMetadata(ours: ClipImageMetadata): GoImageMetadata {
  return {
    Name: ours.name,
    Digest: ours.digest,
    RepoTags: ours.repoTags,
    Created: ours.created,
    DockerVersion: ours.dockerVersion,
    Labels: ours.labels,
    Architecture: ours.architecture,
    Os: ours.os,
    Variant: ours.variant,
    Author: ours.author,
    Env: ours.env,
    Cmd: ours.cmd,
    Entrypoint: ours.entrypoint,
    User: ours.user,
    WorkingDir: ours.workingDir,
    ExposedPorts: ours.exposedPorts,
    Volumes: ours.volumes,
    StopSignal: ours.stopSignal,
    Layers: ours.layers,
    LayersData: ours.layersData,
  };
}
