/**
 * Transactions of any length in little memory: on a connection of their own, where nobody else's command can come in
 * between, they are sent in batches, each queued by the server before the next goes out. Nothing is run before EXEC, and
 * a connection that breaks takes along what was queued.
 */
import { waitOrAbort } from '../../../http/wait-or-abort.ts';
import type { Command } from './redis-command.ts';
import type { RedisConnection } from './redis-connection.ts';

/** The client keeps a KiB or more for each command that waits for its answer. */
const BATCH_COMMANDS = 64;

export class Transactions {
  readonly #connection: RedisConnection;
  /** Never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /**
   * Runs `commands` in order, all or none, when earlier transactions have ended.
   * @throws ClipctlError as RedisConnection.call does, also when one of the commands failed
   */
  async run(commands: Iterable<Command>, signal: AbortSignal): Promise<void> {
    const earlier = this.#last;
    const running = waitOrAbort(earlier, signal).then(() => this.#run(commands, signal));
    this.#last = Promise.allSettled([earlier, running]);
    return running;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #run(commands: Iterable<Command>, signal: AbortSignal): Promise<void> {
    try {
      await this.#connection.call(['MULTI'], signal);
      let count = 0;
      for (const batch of batchesOf(commands)) {
        await this.#connection.callAll(batch, signal);
        count += batch.length;
      }
      await this.#connection.execute(count, signal);
    } catch (error) {
      // What has been queued must not meet the next transaction.
      await this.#connection.close();
      throw error;
    }
  }
}

function* batchesOf(commands: Iterable<Command>): Generator<readonly Command[]> {
  let batch: Command[] = [];
  for (const command of commands) {
    batch.push(command);
    if (batch.length < BATCH_COMMANDS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
