import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Interruption } from '../../src/cli/interruption.ts';

/** As much of a process as receives signals: a real one would end with the test runner. */
class Host extends EventEmitter {
  readonly pid = 4711;
  readonly stdout = new EventEmitter();
  readonly stderr = new EventEmitter();
  readonly killed: unknown[] = [];

  kill(pid: number, signal: string): void {
    this.killed.push([pid, signal, this.listenerCount(signal)]);
  }
}

function interrupt(): { readonly host: Host; readonly interruption: Interruption; readonly stop: () => void } {
  const host = new Host();
  const interruption = new Interruption(host as unknown as NodeJS.Process);
  return { host, interruption, stop: interruption.listen() };
}

describe('an interruption', () => {
  it('by a signal aborts once, and a second signal kills with nobody listening', () => {
    const { host, interruption } = interrupt();
    const order: string[] = [];
    interruption.beforeKill = () => order.push('cursor restored');
    host.emit('SIGINT', 'SIGINT');
    expect(interruption.signal.aborted).toBe(true);
    expect(interruption.signal.reason).toMatchObject({ code: 'ABORTED', details: { signal: 'SIGINT' } });
    expect({ exitCode: interruption.exitCode, killed: host.killed }).toEqual({ exitCode: 130, killed: [] });
    host.emit('SIGTERM', 'SIGTERM');
    expect(host.killed).toEqual([[4711, 'SIGTERM', 0]]);
    expect(order).toEqual(['cursor restored']);
  });

  it('by a closed pipe is silent', () => {
    const { host, interruption } = interrupt();
    host.stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    expect(interruption).toMatchObject({ exitCode: 141, isSilent: true });
    expect(interruption.signal.aborted).toBe(true);
  });

  it('leaves no listener behind', () => {
    const { host, stop } = interrupt();
    stop();
    expect(host.eventNames()).toEqual([]);
    expect(host.stdout.eventNames()).toEqual([]);
  });
});
