/** `--from-file`: the images that a list, a Kubernetes manifest, a compose file or a Dockerfile names (CLI.md). */
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { ClipctlError, storageError } from '../../errors.ts';
import { isMissing, openRegular, readOpened } from '../../regular-file.ts';
import { imagesOfDockerfile } from './dockerfile-images.ts';
import { imagesOfLines } from './line-images.ts';
import { unusable } from './unusable-list.ts';
import { imagesOfYaml } from './yaml-images.ts';

export interface ImageListOptions {
  /** What `-` reads. */
  readonly stdin: Readable;
  /** For `${NAME}` of compose files and Dockerfiles. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

const MAX_LIST_BYTES = 4 * 1024 * 1024;
const MAX_IMAGES = 10_000;

/**
 * The images of one file in order, each once.
 * @param path a file, or `-`
 * @throws ClipctlError FILE_NOT_FOUND, USAGE for what cannot be read as any of them or names no image, STORAGE_*
 */
export async function readImageList(path: string, options: ImageListOptions): Promise<readonly string[]> {
  const name = path === '-' ? 'stdin' : path;
  const text = decode(path === '-' ? await readStdin(options) : await readList(path), name);
  const images = [...new Set(await parseList(text, name, options.environment))];
  if (images.length > MAX_IMAGES) throw unusable(name, `it names more than ${MAX_IMAGES} images`);
  if (images.length === 0) throw unusable(name, 'it names no image');
  return images;
}

async function parseList(text: string, name: string, environment: ImageListOptions['environment']): Promise<string[]> {
  const kind = kindOf(text, name);
  if (kind === 'dockerfile') return imagesOfDockerfile(text, { name, environment });
  if (kind === 'yaml') return imagesOfYaml(text, { name, environment });
  return imagesOfLines(text, name);
}

/** The name decides where it is a known one, else what the file begins with: stdin has no name. */
function kindOf(text: string, name: string): 'yaml' | 'dockerfile' | 'lines' {
  const base = basename(name).toLowerCase();
  if (/\.(?:ya?ml|json)$/.test(base)) return 'yaml';
  if (/^(?:dockerfile|containerfile)(?:\.|$)|\.(?:dockerfile|containerfile)$/.test(base)) return 'dockerfile';
  const first = firstLineOf(text);
  if (/^(?:from|arg)\s+\S/i.test(first)) return 'dockerfile';
  // A key, a document mark or a brace: no reference begins so.
  return /^(?:---|[{[]|(?:-\s*)?[A-Za-z][A-Za-z0-9_.-]*:(?:\s|$))/.test(first) ? 'yaml' : 'lines';
}

/** That says something, without the space around it. */
function firstLineOf(text: string): string {
  for (const line of text.split('\n')) {
    const said = line.trim();
    if (said !== '' && !said.startsWith('#')) return said;
  }
  return '';
}

async function readList(path: string): Promise<Buffer> {
  try {
    const file = await openRegular(path);
    if (file === 'other') throw unusable(path, 'it is no regular file; `-` reads stdin');
    if (file.sizeBytes <= MAX_LIST_BYTES) return await readOpened(file);
    await file.handle.close();
    throw unusable(path, `it is larger than ${MAX_LIST_BYTES} bytes`);
  } catch (error) {
    if (error instanceof ClipctlError) throw error;
    if (isMissing(error)) {
      throw new ClipctlError('FILE_NOT_FOUND', `--from-file: there is no file ${path}`, { cause: error, details: { path } });
    }
    throw storageError(error, path, { doing: 'read', elsewhere: 'another file' });
  }
}

async function readStdin({ stdin, signal }: ImageListOptions): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const stop = (): void => void stdin.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const piece of stdin as AsyncIterable<Uint8Array>) {
      bytes += piece.byteLength;
      if (bytes > MAX_LIST_BYTES) throw unusable('stdin', `it is larger than ${MAX_LIST_BYTES} bytes`);
      pieces.push(Buffer.from(piece));
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return Buffer.concat(pieces);
}

function decode(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw unusable(name, 'it is no text in UTF-8', error);
  }
}
