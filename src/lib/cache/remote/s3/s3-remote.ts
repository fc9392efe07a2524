/**
 * A remote cache in a bucket (`s3://bucket/prefix`): one object a layer under `<prefix>/<hex>`, its sha256 in the metadata.
 * Anything that speaks S3 will do; what a server does not know is learnt and done without.
 */
import type { Readable } from 'node:stream';
import { waitOrAbort } from '../../../http/wait-or-abort.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  EncodedContents,
  StoreOptions,
  StoreResult,
  Unverified,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { ConditionalCreate } from './conditional-create.ts';
import { encodedObjectsIn } from './encoded-objects.ts';
import { deleteObject } from './delete-object.ts';
import { listObjects } from './list-objects.ts';
import { abortAbandonedParts } from './multipart-upload.ts';
import { readObject, readObjectRange, sizeOfObject } from './read-object.ts';
import { parseS3Address, printedAddress } from './s3-address.ts';
import { S3Requests } from './s3-requests.ts';
import { storeObject, type ObjectToStore } from './store-object.ts';

/** Opens without a request; the SDK is loaded by the first one. @throws ClipctlError USAGE */
export function openS3Remote(
  url: URL,
  context: RemoteContext,
  { partsAtOnce = PARTS_AT_ONCE }: { readonly partsAtOnce?: number } = {},
): ContentCache {
  return new S3Remote(new S3Requests(parseS3Address(url, context.environment), context), partsAtOnce);
}

/** Enough to hide the time a server takes to answer; each takes 1 or 2 MiB of the budget. */
const PARTS_AT_ONCE = 3;

class S3Remote implements ContentCache {
  readonly url: string;
  readonly capabilities: CacheCapabilities;
  readonly encoded: EncodedContents;
  readonly #requests: S3Requests;
  readonly #conditional = new ConditionalCreate();
  readonly #partsAtOnce: number;
  #cleaning: Promise<void> | undefined;

  constructor(requests: S3Requests, partsAtOnce: number) {
    const conditional = this.#conditional;
    this.#requests = requests;
    this.#partsAtOnce = partsAtOnce;
    this.url = printedAddress(requests.address);
    this.encoded = encodedObjectsIn(requests, (signal) => this.#clean(signal));
    this.capabilities = {
      ranges: true,
      list: true,
      delete: true,
      // True until the server has refused the condition.
      get conditionalPut() {
        return conditional.isKnown;
      },
    };
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    const sizeBytes = await sizeOfObject(this.#requests, hash, signal);
    return sizeBytes === undefined ? undefined : { sizeBytes };
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    if (range === undefined) return readObject(this.#requests, hash, options);
    return readObjectRange(this.#requests, hash, { ...range, signal: options.signal });
  }

  async storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#store(source, { ...options, hash });
  }

  async storeUnsized(source: ChunkSource, hash: ContentHash, options: CacheCallOptions): Promise<StoreResult> {
    return this.#store(source, { ...options, hash, sizeBytes: undefined });
  }

  async #store(source: ChunkSource, object: ObjectToStore): Promise<StoreResult> {
    object.signal.throwIfAborted();
    await this.#clean(object.signal);
    const target = { requests: this.#requests, conditional: this.#conditional, partsAtOnce: this.#partsAtOnce };
    return storeObject(target, source, object);
  }

  /** Once a run, and before it opens uploads of its own. */
  #clean(signal: AbortSignal): Promise<void> {
    this.#cleaning ??= abortAbandonedParts(this.#requests);
    return waitOrAbort(this.#cleaning, signal);
  }

  deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    return deleteObject(this.#requests, hash, signal);
  }

  listContent(options: CacheCallOptions): AsyncIterable<{ readonly hash: ContentHash } & ContentInfo> {
    return listObjects(this.#requests, options);
  }

  close(): Promise<void> {
    return this.#requests.close();
  }
}
