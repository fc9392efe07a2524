/** A repository that also stands at mirrors (`--mirror`): they are asked first, in order, the registry itself last. */
import { errorClassOf, errorCodeOf, isRetryable, type ErrorClass } from '../errors.ts';
import type { HttpResponse } from '../http/http-client.ts';
import type { RegistryConnection, RegistryRequest } from './registry-connection.ts';

export interface MirrorConnection {
  /** For people, without secrets. */
  readonly name: string;
  readonly connection: Pick<RegistryConnection, 'get'>;
}

/** A request that mirrors may answer. */
export interface MirroredRequest extends RegistryRequest {
  /** Mirrors are passed over: what came before was not what the digest says, and may have come from one. */
  readonly skipsMirrors?: boolean;
}

/** What a mirror may say without being right for all: it may lack the image, the login, or be down. */
const WORTH_THE_NEXT: ReadonlySet<ErrorClass> = new Set(['not-found', 'not-allowed', 'network', 'refused', 'integrity']);

export class MirroredConnection {
  readonly #mirrors: readonly MirrorConnection[];
  readonly #registry: MirrorConnection;
  readonly #onFallback: (message: string) => void;
  /** Could not be reached: not asked again in this run. */
  readonly #gone = new Set<MirrorConnection>();

  /** @param onFallback hears in what order it goes, and why a mirror was passed over */
  constructor(mirrors: readonly MirrorConnection[], registry: MirrorConnection, onFallback: (message: string) => void) {
    this.#mirrors = mirrors;
    this.#registry = registry;
    this.#onFallback = onFallback;
    if (mirrors.length > 0) onFallback(`asked in this order: ${[...mirrors, registry].map(({ name }) => name).join(', ')}`);
  }

  get hasMirrors(): boolean {
    return this.#mirrors.length > 0;
  }

  /** @throws what the registry itself answers; the signal's reason when aborted */
  async get({ skipsMirrors = false, ...asked }: MirroredRequest): Promise<HttpResponse> {
    const request = this.hasMirrors ? withoutValidator(asked) : asked;
    for (const mirror of skipsMirrors ? [] : this.#mirrors) {
      if (this.#gone.has(mirror)) continue;
      try {
        return await mirror.connection.get(request);
      } catch (error) {
        request.signal.throwIfAborted();
        const code = errorCodeOf(error);
        if (!WORTH_THE_NEXT.has(errorClassOf(code))) throw error;
        if (isRetryable(error)) this.#gone.add(mirror);
        this.#onFallback(`${mirror.name}: ${code} for ${request.what}, the next is asked`);
      }
    }
    return this.#registry.connection.get(request);
  }
}

/** One server's validator means nothing to another, which would send the whole blob again. The digest decides. */
function withoutValidator(request: RegistryRequest): RegistryRequest {
  const { 'if-range': _, ...headers } = request.headers;
  return { ...request, headers };
}
