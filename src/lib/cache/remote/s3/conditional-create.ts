/**
 * Create only when absent (`If-None-Match: *`, RFC 9110 §13.1.2). Servers that refuse the condition are learnt once a
 * remote; there the HEAD before the PUT has to do: two writers then both send, and both send the same bytes.
 */
import type { Condition } from './content-to-store.ts';
import { reasonOf, statusOf } from './s3-failure.ts';

const NOT_KNOWN: ReadonlySet<string> = new Set(['NotImplemented', 'NotSupported', 'UnsupportedArgument']);

export class ConditionalCreate {
  #isRefused = false;

  /** False once the server has refused the condition. */
  get isKnown(): boolean {
    return !this.#isRefused;
  }

  /** Runs `create` with the condition, and again without it when the server does not know it. */
  async run<T>(create: (condition: Condition) => Promise<T>): Promise<T> {
    if (this.#isRefused) return create({});
    try {
      return await create({ IfNoneMatch: '*' });
    } catch (error) {
      if (statusOf(error) !== 501 && !NOT_KNOWN.has(reasonOf(error) ?? '')) throw error;
      this.#isRefused = true;
      return create({});
    }
  }
}

/** The create failed because somebody else was first, or is about to be. */
export function isTaken(error: unknown): boolean {
  return statusOf(error) === 412 || statusOf(error) === 409;
}
