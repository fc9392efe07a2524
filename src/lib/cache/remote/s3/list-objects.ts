import { ClipctlError } from '../../../errors.ts';
import { parseContentHash, type ContentHash } from '../../../oci/digest.ts';
import type { CacheCallOptions, ContentInfo } from '../../content-cache.ts';
import type { S3Requests } from './s3-requests.ts';

const HEX = /^[0-9a-f]{64}$/;

/** Objects directly under the prefix that are named like content, page by page; whatever else lies there is left out. */
export async function* listObjects(
  requests: S3Requests,
  { signal }: CacheCallOptions,
): AsyncGenerator<{ readonly hash: ContentHash } & ContentInfo, void, undefined> {
  const { bucket, prefix } = requests.address;
  const start = prefix === '' ? '' : `${prefix}/`;
  let token: string | undefined;
  do {
    const page = { Bucket: bucket, Prefix: start, Delimiter: '/', ...(token === undefined ? {} : { ContinuationToken: token }) };
    const answer = await requests.run({
      operation: 'ListObjectsV2',
      signal,
      send: ({ sdk, client }) => client.send(new sdk.ListObjectsV2Command(page), { abortSignal: signal }),
    });
    for (const { Key = '', Size } of answer.Contents ?? []) {
      const name = Key.startsWith(start) ? Key.slice(start.length) : '';
      if (!HEX.test(name) || Size === undefined || !Number.isSafeInteger(Size) || Size < 0) continue;
      yield { hash: parseContentHash(name, Key), sizeBytes: Size };
    }
    const next = answer.IsTruncated === true ? answer.NextContinuationToken : undefined;
    if (next !== undefined && next === token)
      throw new ClipctlError('REMOTE_FAILED', 'the S3 server lists the same page again and again');
    token = next;
  } while (token !== undefined);
}
