/**
 * One connection to a Redis server, opened by the first command and again by the first one after it was lost. Nothing is
 * sent twice: what fails is for the caller to try again.
 */
import type { Socket } from 'node:net';
import type { Redis } from 'ioredis';
import { networkError } from '../../../http/network-error.ts';
import { waitOrAbort } from '../../../http/wait-or-abort.ts';
import { openSocket, timedOut, type SocketContext } from './open-socket.ts';
import type { RedisAddress } from './redis-address.ts';
import type { Command } from './redis-command.ts';
import { replyError, unexpectedReply } from './redis-errors.ts';
import { guardReplies } from './reply-guard.ts';
import { uncopiedCommands, type SendUncopied } from './uncopied-command.ts';

interface OpenClient {
  readonly client: Redis;
  readonly socket: Socket;
  readonly sendUncopied: SendUncopied;
  /** Why the connection broke, which the client does not tell its commands. */
  failure: unknown;
}

interface Sent {
  readonly open: OpenClient;
  /** Of the command. */
  readonly name: string;
  readonly signal: AbortSignal;
}

export class RedisConnection {
  readonly #address: RedisAddress;
  readonly #context: SocketContext;
  #opening: Promise<OpenClient> | undefined;
  /** What `#opening` gave, while it lasts. */
  #live: OpenClient | undefined;
  /** Commands without an answer yet: a connection that waits for none may be silent. */
  #waiting = 0;

  constructor(address: RedisAddress, context: SocketContext) {
    this.#address = address;
    this.#context = context;
  }

  /** Sends one command. @throws ClipctlError UNAUTHORIZED, FORBIDDEN, NETWORK, TIMEOUT, REMOTE_FAILED; the signal's reason */
  async call(command: Command, signal: AbortSignal): Promise<unknown> {
    const open = await this.#ready(signal);
    return this.#answerOf(() => send(open.client, command), { open, name: command[0], signal });
  }

  /**
   * Sends one command without a copy of the Buffer among its arguments. Nobody may change it until `letGo` is called: the
   * answer has come, or the connection is gone. That can be after this has thrown, when it was aborted.
   * @throws ClipctlError as `call` does
   */
  async callUncopied(command: Command, letGo: () => void, signal: AbortSignal): Promise<unknown> {
    let open: OpenClient;
    try {
      open = await this.#ready(signal);
    } catch (error) {
      letGo();
      throw error;
    }
    const run = (): Promise<unknown> => open.sendUncopied(open.client, command).finally(letGo);
    return this.#answerOf(run, { open, name: command[0], signal });
  }

  /** Sends commands behind each other, and waits for all answers. @throws as `call` does, for the first that failed */
  async callAll(commands: readonly Command[], signal: AbortSignal): Promise<readonly unknown[]> {
    const open = await this.#ready(signal);
    const run = (): Promise<readonly unknown[]> => Promise.all(commands.map((command) => send(open.client, command)));
    return this.#answerOf(run, { open, name: commands[0]?.[0] ?? '', signal });
  }

  /** Runs what has been queued since MULTI: so many commands. @throws as `call` does, also when one of them failed */
  async execute(count: number, signal: AbortSignal): Promise<void> {
    const answers = await this.call(['EXEC'], signal);
    if (!Array.isArray(answers) || answers.length !== count) throw unexpectedReply(this.#address.name, 'EXEC');
    const failed = (answers as readonly unknown[]).find((answer) => answer instanceof Error);
    if (failed !== undefined) throw replyError(failed.message, this.#address.name, 'EXEC');
  }

  async #ready(signal: AbortSignal): Promise<OpenClient> {
    signal.throwIfAborted();
    if (this.#live !== undefined) return this.#live;
    this.#opening ??= this.#open();
    return waitOrAbort(this.#opening, signal);
  }

  /** Ends the connection; the next command opens another one. */
  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    this.#live = undefined;
    const open = await opening?.catch(() => undefined);
    open?.client.disconnect();
  }

  async #open(): Promise<OpenClient> {
    try {
      const open = await this.#connect();
      await this.#login(open);
      return (this.#live = open);
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async #connect(): Promise<OpenClient> {
    const { Redis: Client, AbstractConnector, Command: ClientCommand } = await import('ioredis');
    const socket = await this.#openSocket();
    class OpenedConnector extends AbstractConnector {
      constructor() {
        super(0);
      }
      override async connect(): Promise<Socket> {
        return (this.stream = socket);
      }
      override disconnect(): void {
        socket.destroy();
      }
    }
    const client = new Client({
      Connector: OpenedConnector,
      protocol: 2,
      lazyConnect: true,
      enableReadyCheck: false,
      disableClientInfo: true,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => null,
    });
    const sendUncopied = uncopiedCommands({ Command: ClientCommand });
    const open: OpenClient = { client, socket, sendUncopied, failure: undefined };
    socket.on('error', (error) => (open.failure ??= error));
    // The socket has told already; without a listener the client prints.
    client.on('error', () => undefined);
    client.on('end', () => {
      // Another one may have been opened since.
      if (this.#live === open) this.#opening = this.#live = undefined;
    });
    socket.setTimeout(this.#context.timeoutMs, () => {
      if (this.#waiting > 0) socket.destroy(timedOut());
    });
    await client.connect();
    return open;
  }

  /** Not left to the client: when the login or the choice of the database fails, it goes on without. */
  async #login(open: OpenClient): Promise<void> {
    const { username, password, database } = this.#address;
    const signal = new AbortController().signal;
    const run = (...command: Command): Promise<unknown> =>
      this.#answerOf(() => send(open.client, command), { open, name: command[0], signal });
    try {
      if (password !== undefined) await run('AUTH', ...(username === undefined ? [password] : [username, password]));
      if (database !== 0) await run('SELECT', database);
    } catch (error) {
      open.client.disconnect();
      throw error;
    }
  }

  async #openSocket(): Promise<Socket> {
    let socket: Socket;
    try {
      socket = await openSocket(this.#address, this.#context);
    } catch (error) {
      throw this.#broken(error);
    }
    socket.setNoDelay(true);
    guardReplies(socket, this.#address.name);
    return socket;
  }

  async #answerOf<T>(run: () => Promise<T>, { open, name, signal }: Sent): Promise<T> {
    this.#waiting += 1;
    open.socket.ref();
    const answer = run().finally(() => {
      this.#waiting -= 1;
      // A connection that waits for nothing does not keep the process.
      if (this.#waiting === 0) open.socket.unref();
    });
    try {
      return await waitOrAbort(answer, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Error && error.name === 'ReplyError') throw replyError(error.message, this.#address.name, name);
      throw this.#broken(open.failure ?? Object.assign(new Error('closed by the server'), { code: 'ECONNRESET' }));
    }
  }

  #broken(error: unknown): Error {
    const url = new URL(`tcp://${this.#address.name}`);
    return networkError(error, url, new AbortController().signal);
  }
}

function send(client: Redis, [name, ...rest]: Command): Promise<unknown> {
  return client.callBuffer(name, ...rest);
}
