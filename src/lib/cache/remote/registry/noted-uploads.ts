/**
 * What is noted of uploads to a repository, so that the next run can cancel what a killed one left. A note keeps what
 * follows `/v2/<repository>/blobs/uploads/` in the address of the upload, and no more: whatever stands in a note, a DELETE
 * goes to an upload of this repository on this registry.
 */
import type { RegistryConnection } from '../../../auth/registry-connection.ts';
import { discardBody } from '../../../http/http-client.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { abortAbandonedUploads, tryNoteUpload } from '../abandoned-uploads.ts';
import { dropNote, renewNote, type NoteKind, type UploadNote } from '../upload-notes.ts';

type Field = 'registry' | 'repository' | 'upload';

const NOTES: NoteKind<Field> = { prefix: 'oci', fields: ['registry', 'repository', 'upload'] };
/** One segment that is not dots, and a query: nothing that leads out of the uploads of the repository. */
const UPLOAD = /^[A-Za-z0-9_=+~-][A-Za-z0-9_.=+~-]{0,255}(?:\?[\x21\x22\x24-\x7e]{0,8192})?$/;
const ABORT_PATIENCE_MS = 2_000;
/** It is cancelled, the registry does not know it (any more), or cancels none. */
export const OVER_STATUSES: readonly number[] = [200, 202, 204, 404, 405, 410];

export interface UploadPlace {
  /** `host[:port]`, as the remote names it. */
  readonly registry: string;
  readonly repository: string;
}

export class NotedUploads {
  readonly #place: UploadPlace;
  readonly #context: RemoteContext;
  #cleaning: Promise<void> | undefined;

  constructor({ registry, repository }: UploadPlace, context: RemoteContext) {
    this.#place = { registry, repository };
    this.#context = context;
  }

  /** @returns the path of the note; `undefined`: it can't be written, or not used later */
  async add(location: URL): Promise<string | undefined> {
    const note = this.#noteOf(location);
    return note === undefined ? undefined : tryNoteUpload(this.#context, NOTES, note);
  }

  /** The upload goes on elsewhere: registries put into its address how far it is, and cancel it by the last one only. */
  async move(path: string, location: URL): Promise<void> {
    const note = this.#noteOf(location);
    if (note === undefined) return;
    // With an older address an upload still ends well; only the clean-up after a kill may be lost.
    await renewNote(path, note).catch(() => undefined);
  }

  /** The upload is over. */
  drop(path: string): Promise<void> {
    return dropNote(path);
  }

  /** Cancels what killed runs left in this repository: once a run, and before it opens uploads of its own. */
  clean(connection: RegistryConnection): Promise<void> {
    this.#cleaning ??= abortAbandonedUploads(this.#context, NOTES, (note) => this.#cancel(connection, note));
    return this.#cleaning;
  }

  async #cancel(connection: RegistryConnection, { registry, repository, upload }: UploadNote<Field>): Promise<boolean> {
    const isOurs = registry === this.#place.registry && repository === this.#place.repository && UPLOAD.test(upload);
    if (!isOurs) return false;
    const signal = AbortSignal.timeout(Math.min(ABORT_PATIENCE_MS, this.#context.timeoutMs));
    const request = { path: `blobs/uploads/${upload}`, what: 'an upload', missing: 'REGISTRY_ERROR', headers: {} } as const;
    try {
      await discardBody(await connection.send({ ...request, method: 'DELETE', accepted: OVER_STATUSES, signal }));
      return true;
    } catch {
      // The registry is away or refuses: the next run tries again, and the push will say what is wrong.
      return false;
    }
  }

  #noteOf({ pathname, search }: URL): UploadNote<Field> | undefined {
    const above = `/v2/${this.#place.repository}/blobs/uploads/`;
    const upload = `${pathname.slice(above.length)}${search}`;
    return pathname.startsWith(above) && UPLOAD.test(upload) ? { ...this.#place, upload } : undefined;
  }
}
