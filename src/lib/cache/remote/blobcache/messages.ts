/**
 * What a BlobCache server (version 2) speaks, written down from what such servers answer:
 *
 *     syntax = "proto3";
 *     package blobcache;
 *     service BlobCache {
 *       rpc GetContent(GetContentRequest) returns (GetContentResponse);
 *       rpc GetContentStream(GetContentRequest) returns (stream GetContentResponse);
 *       rpc HasContent(HasContentRequest) returns (HasContentResponse);
 *       rpc StoreContent(stream StoreContentRequest) returns (StoreContentResponse);
 *       rpc GetAvailableHosts(GetAvailableHostsRequest) returns (GetAvailableHostsResponse);
 *     }
 *     message GetContentRequest { string hash = 1; int64 offset = 2; int64 length = 3; }
 *     message GetContentResponse { bool ok = 1; bytes content = 2; }
 *     message HasContentRequest { string hash = 1; }
 *     message HasContentResponse { bool ok = 1; bool exists = 2; }
 *     message StoreContentRequest { bytes content = 1; }
 *     message StoreContentResponse { bool ok = 1; string hash = 2; }  // ok is false on success
 *     message GetAvailableHostsRequest { string locality = 1; }
 *     message GetAvailableHostsResponse { bool ok = 1; repeated Host hosts = 2; }
 *     message Host { string host_id = 1; string addr = 2; string private_ip_addr = 3; float capacity_usage_pct = 4; }
 */
import { bytesHeader, fieldsOf, numberField, stringField } from './protobuf.ts';

/** A call as gRPC makes it: where it goes, and how its messages look. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  /** @throws Error for what is no message */
  readonly decode: (message: Buffer) => Response;
}

export interface ContentRequest {
  readonly hash: string;
  readonly offset: number;
  readonly length: number;
}

export interface ContentResponse {
  readonly ok: boolean;
  readonly content: Buffer;
}

export interface ListedHost {
  readonly id: string;
  /** `host:port` */
  readonly address: string;
  readonly privateAddress: string;
}

/** More are not looked at. */
export const MAX_HOSTS = 64;

const content = {
  encode: ({ hash, offset, length }: ContentRequest) =>
    Buffer.from([...stringField(1, hash), ...numberField(2, offset), ...numberField(3, length)]),
  decode: (message: Buffer): ContentResponse => {
    const fields = lastFields(message);
    return { ok: isTrue(fields.get(1)), content: bytesOf(fields.get(2)) };
  },
};

export const GET_CONTENT: Method<ContentRequest, ContentResponse> = { path: '/blobcache.BlobCache/GetContent', ...content };

export const GET_CONTENT_STREAM: Method<ContentRequest, ContentResponse> = {
  path: '/blobcache.BlobCache/GetContentStream',
  ...content,
};

export const HAS_CONTENT: Method<{ readonly hash: string }, { readonly exists: boolean }> = {
  path: '/blobcache.BlobCache/HasContent',
  encode: ({ hash }) => Buffer.from(stringField(1, hash)),
  decode: (message) => ({ exists: isTrue(lastFields(message).get(2)) }),
};

/** A request is a message that `contentMessage` has made. */
export const STORE_CONTENT: Method<Buffer, { readonly hash: string }> = {
  path: '/blobcache.BlobCache/StoreContent',
  encode: (message) => message,
  decode: (message) => ({ hash: textOf(lastFields(message).get(2)) }),
};

export const GET_AVAILABLE_HOSTS: Method<{ readonly locality: string }, { readonly hosts: readonly ListedHost[] }> = {
  path: '/blobcache.BlobCache/GetAvailableHosts',
  encode: ({ locality }) => Buffer.from(stringField(1, locality)),
  decode: (message) => {
    const hosts: ListedHost[] = [];
    for (const { number, value } of fieldsOf(message)) {
      if (number !== 2 || !(value instanceof Buffer)) continue;
      hosts.push(hostOf(value));
      if (hosts.length === MAX_HOSTS) break;
    }
    return { hosts };
  },
};

/** Room that a message needs before its content. */
export const CONTENT_MARGIN_BYTES = 8;

/** A StoreContentRequest around `length` bytes that stand behind the margin of `memory`: no byte of them is copied. */
export function contentMessage(memory: Buffer, length: number): Buffer {
  const header = bytesHeader(1, length);
  const start = CONTENT_MARGIN_BYTES - header.length;
  memory.set(header, start);
  return memory.subarray(start, CONTENT_MARGIN_BYTES + length);
}

function hostOf(message: Buffer): ListedHost {
  const fields = lastFields(message);
  return { id: textOf(fields.get(1)), address: textOf(fields.get(2)), privateAddress: textOf(fields.get(3)) };
}

/** Of a field that is repeated though it must not be, the last counts (protobuf.dev, "Last One Wins"). */
function lastFields(message: Buffer): Map<number, bigint | Buffer> {
  const fields = new Map<number, bigint | Buffer>();
  for (const { number, value } of fieldsOf(message)) if (number <= 4) fields.set(number, value);
  return fields;
}

function isTrue(value: bigint | Buffer | undefined): boolean {
  return typeof value === 'bigint' && value !== 0n;
}

function bytesOf(value: bigint | Buffer | undefined): Buffer {
  return value instanceof Buffer ? value : Buffer.from([]);
}

function textOf(value: bigint | Buffer | undefined): string {
  return bytesOf(value).toString('utf8');
}
