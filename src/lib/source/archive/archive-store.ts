/** The files of an archive, read in place. */
import { addAbortSignal } from 'node:stream';
import { ClipctlError, storageError } from '../../errors.ts';
import { waitOrAbort } from '../../http/wait-or-abort.ts';
import type { FileStore, StoredFile } from '../stored-file.ts';
import { openArchiveFile, type ArchiveFile, type OpenArchiveOptions } from './archive-file.ts';
import { readPart } from './read-part.ts';
import { readArchiveMembers, type ArchiveMembers, type MemberPlace } from './archive-members.ts';

export type ArchiveStoreOptions = Omit<OpenArchiveOptions, 'signal'>;

type OpenedArchive = ArchiveFile & { readonly members: ArchiveMembers };

/** Reads nothing yet; stdin (`-`) is read once, by the first call. */
export function openArchiveStore(path: string, options: ArchiveStoreOptions): FileStore {
  return new ArchiveStore(path, options);
}

class ArchiveStore implements FileStore {
  readonly name: string;
  readonly what = 'archive';
  readonly #path: string;
  readonly #options: ArchiveStoreOptions;
  readonly #closing = new AbortController();
  #opened: Promise<OpenedArchive> | undefined;

  constructor(path: string, options: ArchiveStoreOptions) {
    this.name = path === '-' ? 'stdin' : path;
    this.#path = path;
    this.#options = options;
  }

  async open(path: string, signal: AbortSignal): Promise<StoredFile | undefined> {
    this.#opened ??= this.#openArchive();
    const archive = await waitOrAbort(this.#opened, signal);
    const found = archive.members.find(path);
    if (found === 'other') throw new ClipctlError('LAYOUT_INVALID', `${this.name}: ${path} is no regular file`);
    return found === undefined ? undefined : this.#storedFile(archive, path, found);
  }

  async close(): Promise<void> {
    this.#closing.abort(new ClipctlError('ABORTED', 'the archive was closed'));
    const opened = await this.#opened?.catch(() => undefined);
    this.#opened = undefined;
    await opened?.handle.close();
  }

  async #openArchive(): Promise<OpenedArchive> {
    const file = await openArchiveFile(this.#path, { ...this.#options, signal: this.#closing.signal });
    try {
      return { ...file, members: await readArchiveMembers(file.handle, file.sizeBytes, this.#closing.signal) };
    } catch (error) {
      await file.handle.close();
      throw error;
    }
  }

  #storedFile({ handle }: OpenedArchive, path: string, place: MemberPlace): StoredFile {
    const { offset, sizeBytes } = place;
    return {
      sizeBytes,
      readAll: async () => {
        const bytes = Buffer.allocUnsafe(sizeBytes);
        const { bytesRead } = await handle.read(bytes, 0, sizeBytes, offset).catch((error: unknown) => {
          throw storageError(error, this.name, { doing: 'read', elsewhere: 'another archive' });
        });
        if (bytesRead === sizeBytes) return bytes;
        throw new ClipctlError('LAYOUT_INVALID', `${this.name}: ${path} is cut off`);
      },
      stream: (start, end, signal) => addAbortSignal(signal, readPart(handle, offset + start, offset + end)),
      close: () => Promise.resolve(),
    };
  }
}
