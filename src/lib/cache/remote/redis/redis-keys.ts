/**
 * The layout in Redis: `clipctl:<name>` is the manifest, `clipctl:<name>:<i>` are the chunks. A name is the hash of the
 * content, with `.zst` behind it where it is packed. Readers believe nothing but the manifest.
 */
import { PIECE_BYTES } from '../../buffer-budget.ts';

const VERSION = 1;
/** What we write. A value that is set in one piece is kept without slack; larger ones block the server for longer. */
export const VALUE_BYTES = PIECE_BYTES;
/** What we read. */
const MAX_VALUE_BYTES = 4 * 1024 * 1024;
/** One TiB: a million chunks. */
const MAX_CONTENT_BYTES = 2 ** 40;
export const MAX_MANIFEST_BYTES = 1024;

const PREFIX = 'clipctl:';
/** Matches manifests only: whatever else is ours is longer. */
export const MANIFEST_PATTERN = `${PREFIX}${'?'.repeat(64)}`;

export interface RedisManifest {
  readonly version: number;
  readonly sizeBytes: number;
  /** Of each chunk but the last. */
  readonly chunkBytes: number;
  readonly chunks: number;
}

export function manifestKey(name: string): string {
  return `${PREFIX}${name}`;
}

export function chunkKey(name: string, index: number): string {
  return `${PREFIX}${name}:${index}`;
}

/** A chunk on its way: nobody but the store that made `token` knows it. */
export function arrivingKey(name: string, token: string, index: number): string {
  return `${PREFIX}${name}:${token}:${index}`;
}

/** The part behind the prefix, should it be a manifest's key. */
export function hashTextOfKey(key: string): string {
  return key.slice(PREFIX.length);
}

export function manifestOf(sizeBytes: number): RedisManifest {
  return { version: VERSION, sizeBytes, chunkBytes: VALUE_BYTES, chunks: Math.ceil(sizeBytes / VALUE_BYTES) };
}

/** `undefined`: it is none, or none that makes sense. */
export function parseManifest(text: string): RedisManifest | undefined {
  const manifest = parseJson(text);
  if (typeof manifest !== 'object' || manifest === null) return undefined;
  const { version, sizeBytes, chunkBytes, chunks } = manifest as Partial<RedisManifest>;
  if (version !== VERSION || !isCount(sizeBytes, MAX_CONTENT_BYTES) || !isCount(chunkBytes, MAX_VALUE_BYTES)) return undefined;
  // At least 64 KiB, else a small manifest could name more chunks than can be asked for.
  if (chunkBytes < 64 * 1024 || chunks !== Math.ceil(sizeBytes / chunkBytes)) return undefined;
  return { version, sizeBytes, chunkBytes, chunks };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isCount(value: number | undefined, max: number): value is number {
  return Number.isSafeInteger(value) && value !== undefined && value >= 0 && value <= max;
}
