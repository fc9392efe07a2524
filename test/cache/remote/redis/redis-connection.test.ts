import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseRedisAddress } from '../../../../src/lib/cache/remote/redis/redis-address.ts';
import type { Command } from '../../../../src/lib/cache/remote/redis/redis-command.ts';
import { RedisConnection } from '../../../../src/lib/cache/remote/redis/redis-connection.ts';
import { Transactions } from '../../../../src/lib/cache/remote/redis/transactions.ts';
import { redisServerMissing, startRedisServer, type RedisServer } from '../../../servers/redis-server.ts';
import { codeOf, signal } from '../../cache-directory.ts';
import { contextForTest } from '../context-for-test.ts';

const MIB = 1 << 20;

describe.skipIf(redisServerMissing() !== undefined)('a connection to Redis', () => {
  let server: RedisServer;
  let connection: RedisConnection;
  const open = (): RedisConnection => {
    const address = parseRedisAddress(new URL(`redis://127.0.0.1:${server.port}`), {});
    return new RedisConnection(address, contextForTest({ timeoutMs: 10_000 }));
  };

  /** For 0.3 s the server reads nothing. */
  const pauseServer = async (): Promise<{ readonly ended: Promise<unknown> }> => {
    const busy = `local function now() local t = redis.call('TIME'); return t[1] * 1000 + t[2] / 1000 end
      local ending = now() + 300; while now() < ending do end`;
    const ended = server.client.eval(busy, 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { ended };
  };

  beforeAll(async () => {
    server = await startRedisServer();
  });
  beforeEach(async () => {
    await server.client.flushall();
    connection = open();
  });
  afterEach(() => connection.close());
  afterAll(() => server.close());

  describe('an uncopied value', () => {
    it('arrives whole between other arguments, and so does what is sent right behind it', async () => {
      const values = [0, 1, 70_000, 3 * MIB].map((length, at) => Buffer.alloc(length, `value ${at} \r\n$5`));
      const letGo: number[] = [];
      const answers = await Promise.all(
        values.flatMap((value, at) => [
          connection.callUncopied(['SET', `k${at}`, value, 'PX', 60_000], () => letGo.push(at), signal),
          connection.call(['STRLEN', `k${at}`], signal),
        ]),
      );
      expect(answers.filter((answer) => typeof answer === 'number')).toEqual(values.map(({ length }) => length));
      expect(letGo).toEqual([0, 1, 2, 3]);
      for (const [at, value] of values.entries()) {
        expect((await server.client.getBuffer(`k${at}`))?.equals(value)).toBe(true);
        expect(await server.client.pttl(`k${at}`)).toBeGreaterThan(0);
      }
    });

    it('is let go only when the server has answered, also when nobody waits for that any more', async () => {
      await connection.call(['PING'], signal);
      const abort = new AbortController();
      let isLetGo = false;
      let onLetGo = (): void => undefined;
      const letGo = new Promise<void>((resolve) => (onLetGo = resolve));
      const pause = await pauseServer();
      const value = Buffer.alloc(16 * MIB, 1);
      const sent = connection.callUncopied(['SET', 'k', value], () => ((isLetGo = true), onLetGo()), abort.signal);
      abort.abort(new Error('enough'));
      await expect(sent).rejects.toThrow('enough');
      expect(isLetGo).toBe(false);
      await letGo;
      value.fill(2);
      await pause.ended;
      expect((await server.client.getBuffer('k'))?.every((byte) => byte === 1)).toBe(true);
    });

    it('is let go when the connection is gone', async () => {
      await connection.call(['PING'], signal);
      let isLetGo = false;
      const pause = await pauseServer();
      const sent = codeOf(connection.callUncopied(['SET', 'k', Buffer.alloc(16 * MIB)], () => (isLetGo = true), signal));
      await connection.close();
      expect(await sent).toBe('NETWORK');
      expect(isLetGo).toBe(true);
      await pause.ended;
    });
  });

  describe('a transaction', () => {
    let transactions: Transactions;
    beforeEach(() => {
      transactions = new Transactions(connection);
    });
    const sets = (prefix: string, count: number): Command[] =>
      Array.from({ length: count }, (_, at) => ['SET', `${prefix}${at}`, at]);

    it('of more commands than a batch runs all of them, or none when one is refused', async () => {
      await transactions.run(sets('a', 1000), signal);
      expect(await server.client.dbsize()).toBe(1000);
      const refused = transactions.run([...sets('b', 500), ['NOSUCH'], ...sets('c', 500)], signal);
      expect(await codeOf(refused)).toBe('REMOTE_FAILED');
      expect(await server.client.dbsize()).toBe(1000);
    });

    it('fails when one of its commands fails, and the next one begins anew', async () => {
      expect(await codeOf(transactions.run([['RENAME', 'missing', 'k'], ...sets('a', 3)], signal))).toBe('REMOTE_FAILED');
      await transactions.run(sets('b', 300), signal);
      expect(await server.client.exists('b299')).toBe(1);
    });

    it('waits for the one before', async () => {
      const both = [transactions.run(sets('k', 600), signal), transactions.run([['FLUSHALL'], ['SET', 'last', 1]], signal)];
      await Promise.all(both);
      expect(await server.keys()).toEqual(['last']);
    });

    it('that is stopped on its way runs nothing', async () => {
      const abort = new AbortController();
      const endless = function* (): Generator<Command> {
        for (let at = 0; ; at += 1) {
          if (at === 1000) abort.abort(new Error('enough'));
          yield ['SET', `k${at}`, at];
        }
      };
      await expect(transactions.run(endless(), abort.signal)).rejects.toThrow('enough');
      await transactions.run([['SET', 'next', 1]], signal);
      expect(await server.keys()).toEqual(['next']);
    });
  });
});
