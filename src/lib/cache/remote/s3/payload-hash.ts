import type { PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3';

/**
 * Signs the body by its sha256, known beforehand. Every S3 server compares it with what arrives; what the SDK would do
 * instead (aws-chunked trailers, unsigned bodies) weak ones refuse or leave unchecked.
 */
export function withPayloadHash<T extends PutObjectCommand | UploadPartCommand>(command: T, sha256: string): T {
  const stack = command.middlewareStack as PutObjectCommand['middlewareStack'];
  stack.add(
    (next) => (args) => {
      const { headers } = args.request as { readonly headers: Record<string, string> };
      headers['x-amz-content-sha256'] = sha256;
      return next(args);
    },
    { step: 'build', name: 'payloadHash' },
  );
  return command;
}
