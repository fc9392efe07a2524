/**
 * An archive that can be read at any place: a plain tar as it lies, and what comes from stdin or is gzip as a copy in the
 * spool directory. The copy has no name from the start, so that nothing of it stays, whatever happens to the process.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { sniffCompression } from '../../compression/sniff.ts';
import { ClipctlError, storageError } from '../../errors.ts';
import { isMissing, openRegular } from '../../regular-file.ts';
import { readPart } from './read-part.ts';

export interface ArchiveFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

export interface OpenArchiveOptions {
  /**
   * Where copies go: beside the cache, since that is where the room is. A function is asked right before each copy, and may
   * refuse.
   */
  readonly spoolDirectory: string | (() => Promise<string>);
  /** A copy that grows beyond this is refused. */
  readonly maxBytes: number;
  /** What `-` reads. */
  readonly stdin: Readable;
  readonly signal: AbortSignal;
}

/** Larger ones gain more (ENGINE §1), but this is no hot path, and they would have to be leased. */
const GUNZIP_CHUNK_BYTES = 64 * 1024;
const HEAD_BYTES = 4;

/**
 * @param path a file, or `-` for stdin
 * @throws ClipctlError IMAGE_NOT_FOUND, LAYOUT_INVALID, LAYER_CORRUPT, LIMIT_LAYER_SIZE, UNSUPPORTED_MEDIA_TYPE, STORAGE_*
 */
export async function openArchiveFile(path: string, options: OpenArchiveOptions): Promise<ArchiveFile> {
  if (path !== '-') return openNamed(path, options);
  const copy = await spool(() => options.stdin, 'stdin', options);
  return unpackIfNeeded(copy, 'stdin', options);
}

async function openNamed(path: string, options: OpenArchiveOptions): Promise<ArchiveFile> {
  let file: Awaited<ReturnType<typeof openRegular>>;
  try {
    file = await openRegular(path);
  } catch (error) {
    if (isMissing(error)) {
      throw new ClipctlError('IMAGE_NOT_FOUND', `there is no file ${path}`, { cause: error, details: { path } });
    }
    throw storageError(error, path, { doing: 'read', elsewhere: 'another archive' });
  }
  if (file === 'other') {
    throw new ClipctlError('LAYOUT_INVALID', `${path} is no regular file`, {
      details: { path },
      hint: 'An archive out of a pipe is read from stdin: write `-` for the file.',
    });
  }
  return unpackIfNeeded(file, path, options);
}

/** Takes over the file: closes it when it throws or a copy takes its place. */
async function unpackIfNeeded(file: ArchiveFile, name: string, options: OpenArchiveOptions): Promise<ArchiveFile> {
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.handle.read(head, 0, HEAD_BYTES, 0);
    const compression = sniffCompression(head.subarray(0, bytesRead));
    if (compression === 'none') return file;
    if (compression === 'zstd') {
      throw new ClipctlError('UNSUPPORTED_MEDIA_TYPE', `${name}: an archive may be a plain tar or gzip, this one is zstd`, {
        hint: 'Pipe it in: zstd -dc FILE | clipctl … docker-archive:-',
      });
    }
    const copy = await spool(() => gunzipOf(file), name, options);
    await file.handle.close();
    return copy;
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

function gunzipOf({ handle, sizeBytes }: ArchiveFile): Readable {
  const packed = readPart(handle, 0, sizeBytes);
  const gunzip = createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES });
  packed.on('error', (error) => gunzip.destroy(error));
  gunzip.on('close', () => packed.destroy());
  return packed.pipe(gunzip);
}

/** @param open called when somebody listens: an error must not come before that */
async function spool(open: () => Readable, name: string, options: OpenArchiveOptions): Promise<ArchiveFile> {
  const { maxBytes, signal } = options;
  const spoolDirectory = typeof options.spoolDirectory === 'string' ? options.spoolDirectory : await options.spoolDirectory();
  const handle = await createNameless(spoolDirectory);
  const source = open();
  try {
    let sizeBytes = 0;
    for await (const piece of readingOf(source, name, signal)) {
      if (sizeBytes + piece.byteLength > maxBytes) {
        throw new ClipctlError('LIMIT_LAYER_SIZE', `${name}: the archive has more than ${maxBytes} bytes`, {
          hint: 'Raise --max-layer-size, or unpack the archive into a layout first.',
        });
      }
      await writeFully(handle, piece, { offset: sizeBytes, spoolDirectory });
      sizeBytes += piece.byteLength;
    }
    return { handle, sizeBytes };
  } catch (error) {
    await handle.close();
    throw error;
  } finally {
    source.destroy();
  }
}

async function* readingOf(source: Readable, name: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = (): void => void source.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    yield* source as AsyncIterable<Uint8Array>;
  } catch (error) {
    signal.throwIfAborted();
    throw new ClipctlError('LAYER_CORRUPT', `${name}: the archive cannot be read to its end`, { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function createNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `archive-${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const handle = await open(path, 'wx+', 0o600);
    await unlink(path);
    return handle;
  } catch (error) {
    throw storageError(error, path, 'create');
  }
}

async function writeFully(
  handle: FileHandle,
  piece: Uint8Array,
  { offset, spoolDirectory }: { readonly offset: number; readonly spoolDirectory: string },
): Promise<void> {
  try {
    for (let written = 0; written < piece.byteLength;) {
      const { bytesWritten } = await handle.write(piece, written, piece.byteLength - written, offset + written);
      written += bytesWritten;
    }
  } catch (error) {
    throw storageError(error, spoolDirectory, 'write');
  }
}
