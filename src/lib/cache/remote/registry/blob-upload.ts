/** One upload of a blob in pieces (OCI distribution specification, "Pushing a blob in chunks"): POST, PATCH for each chunk, PUT. */
import type { RegistryConnection } from '../../../auth/registry-connection.ts';
import { ClipctlError } from '../../../errors.ts';
import { discardBody, headerOf, type HttpResponse } from '../../../http/http-client.ts';
import type { RequestBody } from '../../../http/request-body.ts';
import type { Digest } from '../../../oci/digest.ts';
import { FilledBody } from './filled-body.ts';
import { OVER_STATUSES, type NotedUploads } from './noted-uploads.ts';

/** What registries answer to the DELETE of an upload. */
const DELETE_STATUSES: readonly number[] = [...OVER_STATUSES, 400, 416];

const NOTHING: RequestBody = {
  sizeBytes: 0,
  open: async function* () {
    // An upload begins and ends with an empty body.
  },
};

export interface UploadTarget {
  readonly connection: RegistryConnection;
  readonly notes: NotedUploads;
}

export class BlobUpload {
  readonly #connection: RegistryConnection;
  readonly #notes: NotedUploads;
  readonly #signal: AbortSignal;
  #location: URL;
  #sentBytes = 0;
  /** The path of the note. */
  #note: string | undefined;

  private constructor({ connection, notes }: UploadTarget, location: URL, signal: AbortSignal) {
    this.#connection = connection;
    this.#notes = notes;
    this.#location = location;
    this.#signal = signal;
  }

  /** Opens an upload, and notes it before it takes a byte. */
  static async begin(target: UploadTarget, signal: AbortSignal): Promise<BlobUpload> {
    const { connection, notes } = target;
    const response = await connection.send({
      ...requestOf(signal),
      method: 'POST',
      path: 'blobs/uploads/',
      body: NOTHING,
      accepted: [202],
    });
    await discardBody(response);
    const upload = new BlobUpload(target, locationOf(response), signal);
    upload.#note = await notes.add(upload.#location);
    return upload;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Sends the next bytes. @throws ClipctlError what the registry says, and what reading `body` throws */
  async append(body: RequestBody): Promise<void> {
    if (body.sizeBytes === 0) return;
    const last = this.#sentBytes + body.sizeBytes - 1;
    const headers = { 'content-type': 'application/octet-stream', 'content-range': `${this.#sentBytes}-${last}` };
    this.#signal.throwIfAborted();
    const filled = new FilledBody(body, this.#signal);
    const request = { ...requestOf(filled.signal), headers, location: this.#location };
    try {
      const response = await this.#connection.send({ ...request, method: 'PATCH', body: filled, accepted: [202] });
      await discardBody(response);
      this.#location = locationOf(response);
      if (this.#note !== undefined) await this.#notes.move(this.#note, this.#location);
    } catch (error) {
      throw filled.failure === undefined ? error : filled.failure.error;
    } finally {
      filled.close();
    }
    if (filled.failure !== undefined) throw filled.failure.error;
    this.#sentBytes += body.sizeBytes;
  }

  /** Makes it a blob, unless the registry finds another digest. */
  async finish(digest: Digest): Promise<void> {
    const location = new URL(this.#location);
    location.searchParams.set('digest', digest);
    const request = { ...requestOf(this.#signal), location };
    await discardBody(await this.#connection.send({ ...request, method: 'PUT', body: NOTHING, accepted: [201, 204] }));
    await this.#forget();
  }

  /**
   * Lets the registry throw away what it has. Where a chunk broke off all the same (filled-body.ts), docker-registry 2.8
   * keeps its bytes until it purges uploads.
   */
  async abandon(signal: AbortSignal): Promise<void> {
    const request = { ...requestOf(signal), location: this.#location };
    const response = await this.#connection.send({ ...request, method: 'DELETE', accepted: DELETE_STATUSES });
    await discardBody(response);
    // Else the next run tries once more.
    if (OVER_STATUSES.includes(response.status)) await this.#forget();
  }

  async #forget(): Promise<void> {
    if (this.#note !== undefined) await this.#notes.drop(this.#note);
    this.#note = undefined;
  }
}

function requestOf(signal: AbortSignal): {
  readonly path: string;
  readonly what: string;
  readonly missing: 'REGISTRY_ERROR';
  readonly passing: readonly ['BLOB_UPLOAD_UNKNOWN'];
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
} {
  // A registry that has forgotten what it opened (it was restarted) takes a new one.
  const passing = ['BLOB_UPLOAD_UNKNOWN'] as const;
  return { path: '', what: 'an upload', missing: 'REGISTRY_ERROR', passing, headers: {}, signal };
}

/** RELIABILITY §1.3 row 15: layers and logins go to the registry that was named, not to where it points. */
function locationOf(response: HttpResponse): URL {
  const text = headerOf(response, 'location') ?? '';
  const { url } = response;
  const location = text !== '' && URL.canParse(text, url.href) ? new URL(text, url) : undefined;
  if (location?.origin === url.origin && location.username === '' && location.password === '') return location;
  const problem = location === undefined ? 'without a usable address' : `at ${location.host}, which is another server: refused`;
  throw new ClipctlError('REGISTRY_ERROR', `${url.host}: it wants the upload to go on ${problem}`, {
    details: { host: url.host },
    retryable: false,
    hint: 'Name the server that takes uploads itself.',
  });
}
