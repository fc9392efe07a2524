/** What tests know of an S3 server that runs on this machine. */
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';

export interface S3Server {
  /** `http://127.0.0.1:port` */
  readonly endpoint: string;
  readonly bucket: string;
  /** AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
  readonly environment: { readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string };
  /** A plain client, to look at the server from the side. */
  readonly client: S3Client;
  /** Process id, or ids: what to measure or stop. */
  readonly pids: readonly number[];
  /** Ends what takes the requests and starts it again, at the same place and with what it has. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

export function clientOf(endpoint: string, environment: S3Server['environment']): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: environment.AWS_ACCESS_KEY_ID, secretAccessKey: environment.AWS_SECRET_ACCESS_KEY },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
  });
}

/** Tries until the server makes the bucket, or says that its owner has it. */
export async function makeBucket(client: S3Client, bucket: string, isAlive: () => boolean): Promise<void> {
  let last: unknown;
  for (let tries = 0; tries < 600 && isAlive(); tries += 1) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      return;
    } catch (error) {
      if ((error as Error).name === 'BucketAlreadyOwnedByYou') return;
      last = error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error('the S3 server did not come up', { cause: last });
}

/** Keys of the uploads that are open under a prefix. */
export async function openUploads({ client, bucket }: S3Server, prefix: string): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads.map(({ Key = '' }) => Key).filter((key) => key.startsWith(prefix));
}

/** Ends all uploads, so that one test's leftovers are not another's. */
export async function abortUploads({ client, bucket }: S3Server): Promise<void> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  for (const { Key, UploadId } of Uploads) {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
  }
}

/** All keys under a prefix. */
export async function keysUnder({ client, bucket }: S3Server, prefix: string): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
  return Contents.map(({ Key = '' }) => Key);
}
