/** Digests as in the OCI image specification, descriptor.md "Digests". Only sha256 is computed here. */
import { ClipctlError } from '../errors.ts';

declare const digestBrand: unique symbol;
/** `sha256:` and 64 lower-case hex digits, parsed: safe to join to a path. */
export type Digest = string & { readonly [digestBrand]: 'digest' };

/** The digest of a layer's decompressed tar, padding included; the key of every cache. */
export type DiffId = Digest;

/** 64 lower-case hex digits: what a cache file is named. */
export type ContentHash = string & { readonly [digestBrand]: 'hash' };

const SHA256 = /^sha256:[0-9a-f]{64}$/;
const HEX = /^[0-9a-f]{64}$/;
/** OCI descriptor grammar: algorithm ":" encoded. Linear: no nested quantifier. */
const REGISTERED = /^sha(?:384|512):[0-9a-f]{96,128}$/;

/**
 * Parses a digest from outside.
 * @throws ClipctlError DIGEST_INVALID (also for `sha1:`, upper case, paths), UNSUPPORTED_DIGEST for sha384 and sha512.
 */
export function parseDigest(text: unknown, where: string): Digest {
  if (typeof text === 'string' && text.length <= 200) {
    if (SHA256.test(text)) return text as Digest;
    if (REGISTERED.test(text)) {
      throw new ClipctlError('UNSUPPORTED_DIGEST', `${where}: digest algorithm ${text.slice(0, 6)} is not supported`, {
        hint: 'Only sha256 digests are supported.',
      });
    }
  }
  const shown = typeof text === 'string' ? JSON.stringify(text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?')) : typeof text;
  throw new ClipctlError('DIGEST_INVALID', `${where}: not a valid digest: ${shown}`);
}

/** True for `sha256:<64 hex>`. */
export function isDigest(text: string): text is Digest {
  return SHA256.test(text);
}

/** The bare hex of a digest: the name of a cache file. */
export function contentHashOf(digest: Digest): ContentHash {
  return digest.slice('sha256:'.length) as ContentHash;
}

/** @throws ClipctlError DIGEST_INVALID */
export function parseContentHash(text: string, where: string): ContentHash {
  if (HEX.test(text)) return text as ContentHash;
  throw new ClipctlError('DIGEST_INVALID', `${where}: not a sha256 in hex: ${JSON.stringify(text).slice(0, 100)}`);
}

/** The digest of a content hash. */
export function digestOfHash(hash: ContentHash): Digest {
  return `sha256:${hash}` as Digest;
}

/** The first 12 hex digits, for people. */
export function shortDigest(digest: Digest): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}
