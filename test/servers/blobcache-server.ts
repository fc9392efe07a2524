/**
 * A BlobCache server as version 2 is one, its oddities included: `ok` is false on success for StoreContent and GetState, a
 * read across the end is short, a miss is ok=false or (of a stream) NOT_FOUND, pages may be missing of content that HasContent
 * says is there, and content is kept under the hash that the server finds. A test says what goes wrong.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { ServerHost } from './blobcache-messages.ts';
import type {
  ContentAsked,
  ContentGiven,
  ContentSent,
  HashAsked,
  HashFound,
  HostsAsked,
  HostsGiven,
} from './blobcache-messages.ts';
import { PagedContents } from './paged-contents.ts';

const PROTO = fileURLToPath(new URL('blobcache.proto', import.meta.url));

export interface BlobcacheServerOptions {
  readonly token?: string;
  readonly pageBytes?: number;
  /** A read across the end is a miss where the content ends with a page. */
  readonly missesPageEnds?: boolean;
}

/** What the server does wrong from now on. */
export interface BlobcacheFaults {
  /** Every byte it sends. */
  wrongBytes?: boolean;
  /** Streams are cut after so many bytes. */
  cutAfterBytes?: number;
  /** Streams do not end; or bring messages without a byte. */
  endless?: 'content' | 'empty';
  /** Calls of these names are never answered. */
  hangs?: readonly string[];
  /** Calls of these names fail with this status. */
  fails?: { readonly calls: readonly string[]; readonly status: grpc.status; readonly details?: string };
  /** Uploads are read no further than their first message. */
  holdsUploads?: boolean;
  /** What StoreContent says it has found. */
  foundHash?: string;
}

export interface BlobcacheServer {
  readonly port: number;
  /** `blobcache://127.0.0.1:port` */
  readonly url: string;
  readonly contents: PagedContents;
  /** `HasContent <hash>`, `GetContent <hash> <offset>+<length>`, … in order. */
  readonly calls: string[];
  /** The `authorization` of each call. */
  readonly authorizations: (string | undefined)[];
  /** The largest message that came, in bytes of content. */
  readonly largestMessageBytes: () => number;
  /** Uploads that have neither ended nor been broken off. */
  readonly openUploads: () => number;
  /** Streams that are being sent. */
  readonly openReads: () => number;
  /** What GetAvailableHosts lists. */
  hosts: readonly ServerHost[];
  faults: BlobcacheFaults;
  /** Ends it and all calls, and starts it again with what it holds. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startBlobcacheServer(options: BlobcacheServerOptions = {}): Promise<BlobcacheServer> {
  const state = new ServerState(options);
  let server = await listen(state, 0);
  const { port } = server;
  return Object.assign(state, {
    port,
    url: `blobcache://127.0.0.1:${port}`,
    largestMessageBytes: () => state.largestBytes,
    openUploads: () => state.uploads,
    openReads: () => state.reads,
    restart: async () => {
      server.server.forceShutdown();
      server = await listen(state, port);
    },
    close: async () => server.server.forceShutdown(),
  });
}

async function listen(state: ServerState, port: number): Promise<{ readonly server: grpc.Server; readonly port: number }> {
  const definition = loadSync(PROTO, { keepCase: true, longs: Number, defaults: true });
  const server = new grpc.Server();
  server.addService(definition['blobcache.BlobCache'] as grpc.ServiceDefinition, state.handlers());
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, found) =>
      error === null ? resolve(found) : reject(error),
    );
  });
  return { server, port: bound };
}

type AnyCall = { readonly metadata: grpc.Metadata };

class ServerState {
  readonly contents: PagedContents;
  readonly calls: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  hosts: readonly ServerHost[] = [];
  faults: BlobcacheFaults = {};
  largestBytes = 0;
  uploads = 0;
  reads = 0;
  readonly #token: string | undefined;

  constructor({ token, pageBytes = 1 << 20, missesPageEnds = false }: BlobcacheServerOptions) {
    this.contents = new PagedContents(pageBytes, missesPageEnds);
    this.#token = token;
  }

  handlers(): grpc.UntypedServiceImplementation {
    return {
      GetContent: this.#unary<ContentAsked, ContentGiven>('GetContent', ({ hash, offset, length }) => {
        const found = this.#read({ hash, offset, length });
        return { ok: found !== undefined, content: found ?? Buffer.alloc(0) };
      }),
      HasContent: this.#unary<HashAsked, { ok: boolean; exists: boolean }>('HasContent', ({ hash }) => ({
        ok: true,
        exists: this.contents.has(hash),
      })),
      GetState: this.#unary('GetState', () => ({ ok: false, version: 'test', capacity_usage_pct: 0.5 })),
      GetAvailableHosts: this.#unary<HostsAsked, HostsGiven>('GetAvailableHosts', () => ({ ok: true, hosts: this.hosts })),
      GetContentStream: (call: grpc.ServerWritableStream<ContentAsked, ContentGiven>) => {
        const { hash, offset, length } = call.request;
        const refusal = this.#enter('GetContentStream', call, `${hash} ${offset}+${length}`);
        if (refusal === 'hang') return;
        if (refusal !== undefined) return void call.emit('error', refusal);
        this.reads += 1;
        call.once('close', () => (this.reads -= 1));
        this.#stream(call).catch((error: unknown) => call.destroy(error as Error));
      },
      StoreContent: (call: grpc.ServerReadableStream<ContentSent, HashFound>, answer: grpc.sendUnaryData<HashFound>) => {
        const refusal = this.#enter('StoreContent', call, '');
        if (refusal === 'hang') return void call.resume();
        if (refusal !== undefined) return answer(refusal);
        this.#store(call, answer);
      },
    };
  }

  #unary<Asked, Given>(name: string, give: (asked: Asked) => Given): grpc.handleUnaryCall<Asked, Given> {
    return (call, answer) => {
      const { hash = '', offset, length, locality = '' } = call.request as Partial<ContentAsked & HostsAsked>;
      const about = offset === undefined ? `${hash}${locality}` : `${hash} ${offset}+${length}`;
      const refusal = this.#enter(name, call, about);
      if (refusal === 'hang') return;
      if (refusal !== undefined) return answer(refusal);
      answer(null, give(call.request));
    };
  }

  #enter(name: string, call: AnyCall, about: string): grpc.ServerErrorResponse | 'hang' | undefined {
    this.calls.push(`${name} ${about}`.trimEnd());
    const [authorization] = call.metadata.get('authorization');
    this.authorizations.push(authorization?.toString());
    const { hangs = [], fails } = this.faults;
    if (hangs.includes(name)) return 'hang';
    if (this.#token !== undefined && authorization !== `Bearer ${this.#token}`)
      return refusalOf(grpc.status.UNAUTHENTICATED, `invalid token ${authorization?.toString() ?? ''}`);
    if (fails?.calls.includes(name) === true) return refusalOf(fails.status, fails.details ?? 'told to fail');
    return undefined;
  }

  #read(asked: ContentAsked): Buffer | undefined {
    const found = this.contents.read(asked);
    return found !== undefined && this.faults.wrongBytes === true ? Buffer.alloc(found.length, 0x5a) : found;
  }

  /** A message for each page that is touched; an endless one goes on with what it has. */
  async #stream(call: grpc.ServerWritableStream<ContentAsked, ContentGiven>): Promise<void> {
    const { hash, offset, length } = call.request;
    const { cutAfterBytes = Infinity, endless } = this.faults;
    const { pageBytes } = this.contents;
    if (endless !== undefined) return pourInto(call, endless === 'content' ? Buffer.alloc(65_536, 1) : Buffer.alloc(0));
    for (let at = offset; at < offset + length && !call.cancelled;) {
      const askedBytes = Math.min(pageBytes - (at % pageBytes), offset + length - at);
      const found = this.#read({ hash, offset: at, length: askedBytes });
      if (found === undefined) return void call.emit('error', refusalOf(grpc.status.NOT_FOUND, 'content not found'));
      const kept = found.subarray(0, Math.max(0, cutAfterBytes - (at - offset)));
      if (!call.write({ ok: true, content: kept })) await Promise.race([once(call, 'drain'), once(call, 'close')]);
      if (kept.length < found.length) return void call.emit('error', refusalOf(grpc.status.UNAVAILABLE, 'cut'));
      at += found.length;
      if (found.length < askedBytes) break;
    }
    call.end();
  }

  #store(call: grpc.ServerReadableStream<ContentSent, HashFound>, answer: grpc.sendUnaryData<HashFound>): void {
    const pieces: Buffer[] = [];
    let isOpen = true;
    const end = (): void => {
      if (isOpen) this.uploads -= 1;
      isOpen = false;
    };
    this.uploads += 1;
    call.on('data', ({ content }: ContentSent) => {
      this.largestBytes = Math.max(this.largestBytes, content.length);
      pieces.push(content);
      if (this.faults.holdsUploads === true) call.pause();
    });
    call.once('cancelled', end);
    call.once('error', end);
    call.once('end', () => {
      if (!call.cancelled && isOpen) {
        const content = Buffer.concat(pieces);
        const hash = createHash('sha256').update(content).digest('hex');
        this.contents.set(hash, content);
        answer(null, { ok: false, hash: this.faults.foundHash ?? hash });
      }
      end();
    });
  }
}

function refusalOf(code: grpc.status, details: string): grpc.ServerErrorResponse {
  return Object.assign(new Error(details), { code, details, metadata: new grpc.Metadata() });
}

function pourInto(call: grpc.ServerWritableStream<ContentAsked, ContentGiven>, content: Buffer): void {
  const pour = (): void => {
    if (call.cancelled || call.destroyed) return;
    if (call.write({ ok: true, content })) setImmediate(pour);
    else call.once('drain', pour);
  };
  pour();
}
