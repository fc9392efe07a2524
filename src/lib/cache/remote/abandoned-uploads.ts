import type { RemoteContext } from '../remote-context.ts';
import { abandonedUploads, dropNote, noteUpload, type NoteKind, type UploadNote } from './upload-notes.ts';

type NoteContext = Pick<RemoteContext, 'uploadsDirectory' | 'prepareUploads' | 'onWarning'>;

/** Runs that have said that they can't write notes: once is enough, however many layers there are. */
const warned = new WeakSet<NoteContext>();

/** What is not done by then is left for the next run: a push must not wait for it. */
const PATIENCE_MS = 3_000;

/**
 * Aborts the uploads that killed runs of this cache directory left, and none that is under way. It never throws: it must
 * not fail a push.
 * @param abort tells the server to, within 2 s. True = the upload is over; false = it is no upload of this remote, or the
 *   server could not be told
 */
export async function abortAbandonedUploads<Field extends string>(
  { uploadsDirectory, onWarning }: NoteContext,
  kind: NoteKind<Field>,
  abort: (note: UploadNote<Field>) => Promise<boolean>,
): Promise<void> {
  const startedAtMs = performance.now();
  try {
    for (const [path, note] of await abandonedUploads(uploadsDirectory, kind)) {
      if (await abort(note)) await dropNote(path);
      if (performance.now() - startedAtMs > PATIENCE_MS) return;
    }
  } catch (error) {
    onWarning(`uploads of earlier runs were not cleaned up: ${(error as Error).message}`);
  }
}

/** A cache directory that can't be written costs the clean-up after a kill, not the upload. */
export async function tryNoteUpload<Field extends string>(
  context: NoteContext,
  kind: NoteKind<Field>,
  note: UploadNote<Field>,
): Promise<string | undefined> {
  try {
    await context.prepareUploads?.();
    return await noteUpload(context.uploadsDirectory, kind, note);
  } catch (error) {
    if (!warned.has(context)) context.onWarning(`an upload that is killed now stays on the server: ${(error as Error).message}`);
    warned.add(context);
    return undefined;
  }
}
