/** What is noted of a multipart upload; `endpoint` is empty for AWS. */
import type { NoteKind } from '../upload-notes.ts';
import type { S3Requests } from './s3-requests.ts';

export const S3_NOTES: NoteKind<'endpoint' | 'bucket' | 'key' | 'uploadId'> = {
  prefix: 's3',
  fields: ['endpoint', 'bucket', 'key', 'uploadId'],
};

/** Where the uploads of a remote are. */
export function placeOfUploads({ address }: S3Requests): { readonly endpoint: string; readonly bucket: string } {
  return { endpoint: address.endpoint?.href ?? '', bucket: address.bucket };
}
