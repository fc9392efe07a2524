/**
 * One connection to a Redis server, opened by the first command and again by the first one after it was lost. Nothing is
 * sent twice: what fails is for the caller to try again.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { Redis } from 'ioredis';
import { networkError } from '../../../http/network-error.ts';
import { trustedAuthorities } from '../../../http/trusted-authorities.ts';
import { waitOrAbort } from '../../../http/wait-or-abort.ts';
import type { RemoteContext } from '../../remote-context.ts';
import type { RedisAddress } from './redis-address.ts';
import { replyError, unexpectedReply } from './redis-errors.ts';
import { guardReplies } from './reply-guard.ts';

export type CommandArgument = string | number | Buffer;
export type Command = readonly [name: string, ...rest: CommandArgument[]];

type ConnectionContext = Pick<RemoteContext, 'timeoutMs' | 'insecureHosts' | 'caFile'>;

interface OpenClient {
  readonly client: Redis;
  readonly socket: Socket;
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
  readonly #context: ConnectionContext;
  #opening: Promise<OpenClient> | undefined;
  /** What `#opening` gave, while it lasts. */
  #live: OpenClient | undefined;
  /** Commands without an answer yet: a connection that waits for none may be silent. */
  #waiting = 0;

  constructor(address: RedisAddress, context: ConnectionContext) {
    this.#address = address;
    this.#context = context;
  }

  /**
   * Sends one command. While the connection is open (`ready`), a Buffer among its arguments has been copied when this
   * returns its promise.
   * @throws ClipctlError UNAUTHORIZED, FORBIDDEN, NETWORK, TIMEOUT, REMOTE_FAILED; the signal's reason
   */
  async call(command: Command, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    const open = this.#live ?? (await this.#ready(signal));
    return this.#answerOf(() => send(open.client, command), { open, name: command[0], signal });
  }

  /**
   * Sends commands as one transaction: all or none is run, in order, with nothing in between.
   * @returns an answer for each; a command that failed has failed all
   */
  async transaction(commands: readonly Command[], signal: AbortSignal): Promise<readonly unknown[]> {
    const open = await this.#ready(signal);
    const run = async (): Promise<readonly (readonly [Error | null, unknown])[] | null> =>
      open.client.multi(commands.map(([name, ...rest]) => [name.toLowerCase(), ...rest])).exec();
    const answers = await this.#answerOf(run, { open, name: 'MULTI', signal });
    if (answers?.length !== commands.length) throw unexpectedReply(this.#address.name, 'EXEC');
    return answers.map(([error, answer], at) => {
      if (error !== null) throw replyError(error.message, this.#address.name, commands[at]?.[0] ?? 'EXEC');
      return answer;
    });
  }

  /** Opens the connection when there is none; after that the next `call` sends at once. */
  async ready(signal: AbortSignal): Promise<unknown> {
    return this.#ready(signal);
  }

  async #ready(signal: AbortSignal): Promise<OpenClient> {
    signal.throwIfAborted();
    this.#opening ??= this.#open();
    return waitOrAbort(this.#opening, signal);
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
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
    const { Redis: Client, AbstractConnector } = await import('ioredis');
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
    const open: OpenClient = { client, socket, failure: undefined };
    socket.on('error', (error) => (open.failure ??= error));
    // The socket has told already; without a listener the client prints.
    client.on('error', () => undefined);
    client.on('end', () => {
      this.#opening = undefined;
      this.#live = undefined;
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
    const { timeoutMs } = this.#context;
    const socket = await this.#dial();
    try {
      await connected(socket, timeoutMs);
    } catch (error) {
      socket.destroy();
      throw this.#broken(error);
    }
    socket.setNoDelay(true);
    guardReplies(socket, this.#address.name);
    return socket;
  }

  async #dial(): Promise<Socket> {
    const { host, port, tls, name } = this.#address;
    if (!tls) return connectPlain({ host, port });
    const { insecureHosts, caFile } = this.#context;
    const isInsecure = insecureHosts.includes(name) || insecureHosts.includes(host);
    return connectTls({
      host,
      port,
      rejectUnauthorized: !isInsecure,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(caFile === undefined ? {} : { ca: await trustedAuthorities(caFile) }),
    });
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

function connected(socket: Socket, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(timedOut()), timeoutMs);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      socket.off('error', settle);
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once('error', settle);
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => settle());
  });
}

function timedOut(): Error {
  return Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' });
}
