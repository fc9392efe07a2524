import { sizeOfObject } from './read-object.ts';
import { keyOf } from './s3-address.ts';
import type { S3Requests } from './s3-requests.ts';

/** False when it was not there. @throws what S3Requests.run throws */
export async function deleteObject(requests: S3Requests, name: string, signal: AbortSignal): Promise<boolean> {
  if ((await sizeOfObject(requests, name, signal)) === undefined) return false;
  const input = { Bucket: requests.address.bucket, Key: keyOf(requests.address, name) };
  await requests.run({
    operation: 'DeleteObject',
    signal,
    send: ({ sdk, client }) => client.send(new sdk.DeleteObjectCommand(input), { abortSignal: signal }),
  });
  return true;
}
