import { abortUpload } from './multipart-upload.ts';
import type { S3Requests } from './s3-requests.ts';
import { abandonedUploads, dropNote } from './upload-notes.ts';

/**
 * Aborts the uploads that killed runs of this cache directory left in this bucket; no others, and none that is under
 * way. What can't be done now is left for the next run: it must not fail a push.
 */
export async function abortAbandonedUploads(requests: S3Requests): Promise<void> {
  const { address, context } = requests;
  try {
    for (const [path, note] of await abandonedUploads(context.uploadsDirectory)) {
      if (note.bucket !== address.bucket || note.endpoint !== (address.endpoint?.href ?? '')) continue;
      if (await abortUpload(requests, note)) await dropNote(path);
    }
  } catch (error) {
    context.onWarning(`uploads of earlier runs were not cleaned up: ${(error as Error).message}`);
  }
}
