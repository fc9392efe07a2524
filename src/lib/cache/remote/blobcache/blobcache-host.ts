/** One BlobCache server: a gRPC channel, opened by the first call and again by the first one after it was lost. */
import { setMaxListeners } from 'node:events';
import type * as Grpc from '@grpc/grpc-js';
import { ClipctlError } from '../../../errors.ts';
import type { ChannelRoute } from './channel-route.ts';
import type { ContentRequest, Method } from './messages.ts';
import { GET_CONTENT_STREAM, STORE_CONTENT } from './messages.ts';
import { grpcFailure, isNotFound } from './grpc-failure.ts';
import { StoreCall } from './store-call.ts';

export interface HostOptions {
  /** `host:port`, for messages. */
  readonly name: string;
  readonly route: ChannelRoute;
  readonly token: string | undefined;
  /** Give up on a call that has moved no byte for so long. */
  readonly timeoutMs: number;
}

export interface SpanOptions {
  readonly signal: AbortSignal;
  readonly onBytes: () => void;
}

/** What may be asked for in one read. */
export const MAX_READ_BYTES = 512 * 1024;

/**
 * Of an answer; nothing that was asked for is longer. Well below the 64 MiB that any message may have, and what is said to
 * be longer is refused before a byte of it is kept.
 */
const MAX_MESSAGE_BYTES = MAX_READ_BYTES + 64 * 1024;

const CHANNEL_OPTIONS: Grpc.ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  // What may be on its way unasked; without it, 64 KiB for all reads together.
  'grpc-node.flow_control_window': 1 << 20,
  // Who retries is ours: retrying, the client would keep what it has sent.
  'grpc.enable_retries': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  // Which proxy is said by the route.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
};

interface Channel {
  readonly client: Grpc.Client;
  readonly metadata: Grpc.Metadata;
}

export class BlobcacheHost {
  readonly name: string;
  readonly #options: HostOptions;
  #opening: Promise<Channel> | undefined;

  constructor(options: HostOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** One question, one answer. @throws ClipctlError UNAUTHORIZED, FORBIDDEN, NETWORK, TIMEOUT, REMOTE_FAILED; the signal's reason */
  async call<Request, Response>(method: Method<Request, Response>, request: Request, signal: AbortSignal): Promise<Response> {
    const { client, metadata } = await this.#ready(signal);
    const { path, encode, decode } = method;
    const options = { deadline: Date.now() + this.#options.timeoutMs };
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(path, encode, decode, request, metadata, options, (error, response) => {
        signal.removeEventListener('abort', cancel);
        if (error === null && response !== undefined) resolve(response);
        else reject(grpcFailure(error, this.name, signal));
      });
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
  }

  /**
   * The bytes from an offset on, at most as many as were asked for. `undefined`: the server has none there.
   * @throws ClipctlError as `call` does; CACHE_CORRUPT when more come
   */
  async read(request: ContentRequest, { signal, onBytes }: SpanOptions): Promise<readonly Buffer[] | undefined> {
    const { client, metadata } = await this.#ready(signal);
    const { path, encode, decode } = GET_CONTENT_STREAM;
    const call = client.makeServerStreamRequest(path, encode, decode, request, metadata);
    const cancel = (): void => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    const pieces: Buffer[] = [];
    let readBytes = 0;
    try {
      await new Promise<void>((resolve, reject) => {
        call.on('data', ({ content }: { readonly content: Buffer }) => {
          readBytes += content.length;
          if (readBytes > request.length) return reject(tooMuch(this.name, request));
          if (content.length > 0) pieces.push(content);
          if (content.length > 0) onBytes();
        });
        call.on('error', reject);
        call.on('end', resolve);
      });
    } catch (error) {
      // Also behind the last byte, where that is the last of a page.
      if (signal.aborted || !isNotFound(error)) throw grpcFailure(error, this.name, signal);
    } finally {
      signal.removeEventListener('abort', cancel);
      call.cancel();
    }
    return readBytes === 0 ? undefined : pieces;
  }

  /** Begins to store content; nothing is stored unless it is finished. @throws as `call` does */
  async store(signal: AbortSignal): Promise<StoreCall> {
    const { client, metadata } = await this.#ready(signal);
    const { path, encode, decode } = STORE_CONTENT;
    const { timeoutMs } = this.#options;
    return new StoreCall({ name: this.name, timeoutMs, signal }, (answered) =>
      client.makeClientStreamRequest(path, encode, decode, metadata, answered),
    );
  }

  /** Ends the calls under way. */
  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    (await opening)?.client.close();
  }

  async #ready(signal: AbortSignal): Promise<Channel> {
    signal.throwIfAborted();
    this.#opening ??= this.#open();
    const channel = await this.#opening;
    signal.throwIfAborted();
    // Every call under way listens; Node would warn of a leak at eleven.
    setMaxListeners(0, signal);
    return channel;
  }

  async #open(): Promise<Channel> {
    const grpc = await import('@grpc/grpc-js');
    // What it has to say is in its errors.
    grpc.setLogVerbosity(grpc.logVerbosity.NONE);
    const { route, token } = this.#options;
    const metadata = new grpc.Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    const options = { ...CHANNEL_OPTIONS, ...route.options };
    return { client: new grpc.Client(route.target, grpc.credentials.createInsecure(), options), metadata };
  }
}

function tooMuch(name: string, { hash, offset, length }: ContentRequest): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `${name} sent more than ${length} bytes of content ${hash}`, {
    details: { host: name, hash, offset, length },
    hint: 'Check that a blobcache server (version 2) answers there.',
  });
}
