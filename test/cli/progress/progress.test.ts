import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { JsonProgress } from '../../../src/cli/progress/json-progress.ts';
import { PlainProgress } from '../../../src/cli/progress/plain-progress.ts';
import { TransferState } from '../../../src/cli/progress/transfer-state.ts';
import { TtyProgress } from '../../../src/cli/progress/tty-progress.ts';
import { describeTerminal } from '../../../src/cli/terminal.ts';
import type { ProgressEvent } from '../../../src/lib/pipeline/progress.ts';
import { digestOf } from '../documents.ts';

/** A stream that keeps what was written, like a terminal of the given size. */
class Recorder {
  text = '';
  readonly isTTY = true;
  readonly columns: number;
  readonly rows: number;

  constructor(columns = 80, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }

  get lines(): string[] {
    return this.text.split('\n').filter(Boolean);
  }
}

const image = (layers: number): ProgressEvent => ({
  type: 'image',
  image: 'shop:2',
  platform: 'linux/amd64',
  layers,
  totalBytes: layers * 2048,
  sizes: Array.from({ length: layers }, (_, at) => ({ layer: digestOf('abcdef0123456789'.charAt(at)), totalBytes: 2048 })),
});
const start = (layer: string): ProgressEvent => ({
  type: 'layer-start',
  layer: digestOf(layer),
  action: 'download',
  totalBytes: 2048,
  from: 'registry',
});
const progress = (layer: string, bytes: number): ProgressEvent => ({
  type: 'layer-progress',
  layer: digestOf(layer),
  action: 'download',
  bytes,
  totalBytes: 2048,
});
const done = (layer: string): ProgressEvent => ({ type: 'layer-done', layer: digestOf(layer), action: 'download', bytes: 2048 });

describe('plain progress', () => {
  it('names a layer that failed where it ends', () => {
    const stream = new Recorder();
    const renderer = new PlainProgress(stream, false);
    renderer.onEvent({ type: 'layer-failed', layer: digestOf('a'), action: 'push', to: 'oci://r.example/cache' });
    renderer.stop();
    expect(stream.lines).toEqual(['fail  aaaaaaaaaaaa push to oci://r.example/cache']);
  });

  it('is a line where a layer starts and one where it ends, whatever happens between', () => {
    const stream = new Recorder();
    const renderer = new PlainProgress(stream, false);
    renderer.onEvent(image(1));
    renderer.onEvent(start('a'));
    for (let bytes = 0; bytes < 2048; bytes++) renderer.onEvent(progress('a', bytes));
    renderer.onEvent(done('a'));
    renderer.stop();
    expect(stream.lines).toEqual([
      'image shop:2 linux/amd64: 1 layer, 2.0 KiB',
      'start aaaaaaaaaaaa download 2.0 KiB from registry',
      'done  aaaaaaaaaaaa download 2.0 KiB',
    ]);
  });

  it('is a line of totals at each interval and none after the end', async () => {
    const stream = new Recorder();
    const renderer = new PlainProgress(stream, false, 20);
    renderer.onEvent(image(2));
    renderer.onEvent(start('a'));
    renderer.onEvent(progress('a', 1024));
    while (!stream.text.includes('progress ')) await sleep(5);
    renderer.stop();
    const text = stream.text;
    expect(text).toMatch(/^progress 0 of 2 layers, 1\.0 KiB of 4\.0 KiB, .*\/s/m);
    await sleep(60);
    expect(stream.text).toBe(text);
  });

  it('obeys nothing that a server says', () => {
    const stream = new Recorder();
    const renderer = new PlainProgress(stream, false);
    renderer.onEvent({
      type: 'retry',
      what: 'x\n::error::y',
      attempt: 1,
      most: 4,
      waitMs: 500,
      reason: '\u001b[31mhttps://u:p@host/x?token=abc',
    });
    renderer.warn('a\rb');
    renderer.stop();
    expect(stream.text).toMatch(/^[\n -~]*$/);
    expect(stream.lines).toHaveLength(2);
    expect(stream.text).not.toMatch(/^\s*::/m);
    expect(stream.text).not.toContain('abc');
    expect(stream.text).not.toContain('u:p');
  });
});

describe('json progress', () => {
  it('is one event a line, the same that the operation told', () => {
    const stream = new Recorder();
    const renderer = new JsonProgress(stream);
    const events = [image(1), start('a'), done('a')];
    for (const event of events) renderer.onEvent(event);
    renderer.warn('careful');
    expect(stream.lines.map((line) => JSON.parse(line) as unknown)).toEqual([...events, { type: 'warning', message: 'careful' }]);
  });

  it('tells of thousands of pieces a few times', () => {
    const stream = new Recorder();
    const renderer = new JsonProgress(stream);
    for (let bytes = 0; bytes < 5000; bytes++) renderer.onEvent(progress('a', bytes));
    expect(stream.lines.length).toBeGreaterThanOrEqual(1);
    expect(stream.lines.length).toBeLessThan(50);
  });
});

/** The screen after all that was written, by the few sequences that TtyProgress uses. */
function screenOf(text: string): string[] {
  const rows = [''];
  let row = 0;
  for (const token of text.matchAll(/\u001b\[(\?25[hl]|2K|J|(\d+)A)|\r|\n|[^\u001b\r\n]+/g)) {
    const [word, sequence, up] = token;
    if (up !== undefined) row -= Number(up);
    else if (sequence === 'J') rows.splice(row, rows.length, '');
    else if (sequence === '2K') rows[row] = '';
    else if (word === '\n') rows[++row] ??= '';
    else if (sequence === undefined && word !== '\r') rows[row] = word;
  }
  return rows.filter(Boolean);
}

describe('tty progress', () => {
  function draw(stream: Recorder): TtyProgress {
    return new TtyProgress(stream, describeTerminal(stream, { LANG: 'C.UTF-8', TERM: 'xterm' }));
  }

  it('keeps one line a layer and one of totals on the screen, in place', async () => {
    const stream = new Recorder();
    const renderer = draw(stream);
    renderer.onEvent(image(2));
    renderer.onEvent(start('a'));
    renderer.onEvent(start('b'));
    renderer.onEvent(progress('b', 1024));
    while (screenOf(stream.text).length < 3) await sleep(20);
    await sleep(250);
    const screen = screenOf(stream.text);
    renderer.stop();
    expect(screen).toHaveLength(3);
    expect(screen[0]).toMatch(/^a{12} {2}download {2}\[\.{20}\] {3}0% {2}0 B$/);
    expect(screen[1]).toMatch(/^b{12} {2}download {2}\[#{10}\.{10}\] {2}50% {2}1\.0 KiB$/);
    expect(screen[2]).toMatch(/^0 of 2 layers {2}1\.0 KiB of 4\.0 KiB/);
  });

  it('leaves an empty screen and a cursor', async () => {
    const stream = new Recorder();
    const renderer = draw(stream);
    renderer.onEvent(image(2));
    renderer.onEvent(start('a'));
    while (!stream.text.includes('aaaa')) await sleep(20);
    renderer.stop();
    renderer.stop();
    expect(screenOf(stream.text)).toEqual([]);
    expect(stream.text.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stream.text.lastIndexOf('\u001b[?25l'));
  });

  it('is never taller or wider than the terminal', async () => {
    const stream = new Recorder(40, 8);
    const renderer = draw(stream);
    renderer.onEvent(image(16));
    for (const digit of '0123456789abcdef') renderer.onEvent(start(digit));
    while (!stream.text.includes('more under way')) {
      if (stream.text.length > 5000) break;
      await sleep(20);
    }
    renderer.stop();
    const drawn = screenOf(stream.text.slice(0, stream.text.lastIndexOf('\u001b[J') - 10));
    expect(drawn.length).toBeGreaterThan(1);
    expect(drawn.length).toBeLessThan(8);
    for (const line of drawn) expect(line.length).toBeLessThan(40);
  });

  it('prints a warning above what moves', async () => {
    const stream = new Recorder();
    const renderer = draw(stream);
    renderer.onEvent(image(2));
    renderer.onEvent(start('a'));
    while (!stream.text.includes('aaaa')) await sleep(20);
    renderer.warn('remote is down');
    expect(screenOf(stream.text)[0]).toBe('warning: remote is down');
    renderer.stop();
    expect(screenOf(stream.text)).toEqual(['warning: remote is down']);
  });
});

describe('the state of transfers', () => {
  it('counts a layer once, however its steps are called, and sending apart', () => {
    const state = new TransferState(0);
    state.add(image(2));
    state.add({ type: 'layer-start', layer: digestOf('a'), action: 'read', totalBytes: 2048, from: 'layout' });
    state.add(progress('a', 1000));
    expect(state.active).toHaveLength(1);
    expect(state.bytes).toBe(1000);
    state.add(done('a'));
    state.add({ type: 'layer-start', layer: digestOf('a'), action: 'push', totalBytes: 9000, from: 'file:///x' });
    state.add({ type: 'layer-done', layer: digestOf('a'), action: 'push', bytes: 9000 });
    expect(state.active).toEqual([]);
    expect({ bytes: state.bytes, sent: state.sentBytes, finished: state.finishedLayers }).toEqual({
      bytes: 2048,
      sent: 9000,
      finished: 1,
    });
  });

  it('counts sends that ended, one layer to several remotes at once', () => {
    const state = new TransferState(0);
    const push = { layer: digestOf('a'), action: 'push', totalBytes: 9000 } as const;
    state.add(image(2));
    state.add({ type: 'layer-skip', layer: digestOf('a'), reason: 'on disk' });
    for (const to of ['file:///x', 'file:///y']) state.add({ type: 'layer-start', ...push, from: to, to });
    state.add({ type: 'layer-progress', ...push, bytes: 4000, to: 'file:///y' });
    expect([state.active.length, state.sentBytes]).toEqual([2, 4000]);
    state.add({ type: 'layer-done', layer: push.layer, action: 'push', bytes: 9000, to: 'file:///x' });
    expect(state.describe(0)).toContain('1 layer sent (12.7 KiB)');
    state.add({ type: 'layer-failed', layer: push.layer, action: 'push', to: 'file:///y' });
    expect([state.active.length, state.finishedSends, state.sentBytes]).toEqual([0, 1, 9000]);
  });

  it('never says more than all when a remote sends decompressed what the image announced compressed', () => {
    const state = new TransferState(0);
    const bytes = (amount: number, totalBytes: number): ProgressEvent => ({
      type: 'layer-progress',
      layer: digestOf('a'),
      action: 'download',
      bytes: amount,
      totalBytes,
    });
    state.add(image(2));
    state.add(bytes(5000, 10_000));
    expect({ bytes: state.bytes, total: state.totalBytes }).toEqual({ bytes: 5000, total: 12_048 });
    expect(state.active).toMatchObject([{ bytes: 5000, totalBytes: 10_000 }]);
    // The remote breaks off, the registry takes over.
    state.add(start('a'));
    state.add(bytes(1024, 2048));
    expect({ bytes: state.bytes, total: state.totalBytes }).toEqual({ bytes: 1024, total: 4096 });
    state.add(bytes(9000, 10_000));
    state.add({ type: 'layer-done', layer: digestOf('a'), action: 'download', bytes: 10_000, note: 'from file:///x' });
    expect({ bytes: state.bytes, total: state.totalBytes }).toEqual({ bytes: 10_000, total: 12_048 });
  });

  it('reaches all with layers that stood on disk, at no speed', () => {
    const state = new TransferState(0);
    state.add(image(2));
    expect(state.rate(0)).toBe(0);
    state.add({ type: 'layer-skip', layer: digestOf('a'), reason: 'on disk' });
    expect(state.rate(1000)).toBe(0);
    expect(state.describe(1000)).toEqual(['1 of 2 layers', '2.0 KiB of 4.0 KiB', '0 B/s']);
    state.add(start('b'));
    state.add(done('b'));
    expect(state.describe(1000).slice(0, 2)).toEqual(['2 of 2 layers', '4.0 KiB of 4.0 KiB']);
  });

  it('measures the last ten seconds and estimates after two', () => {
    const state = new TransferState(0);
    state.add(image(2));
    state.add(start('a'));
    expect(state.rate(0)).toBe(0);
    state.add(progress('a', 1024));
    expect(state.rate(1000)).toBe(1024);
    expect(state.remainingMs(1500)).toBeUndefined();
    expect(state.remainingMs(4000)).toBe(12_000);
    expect(state.rate(60_000)).toBe(0);
  });
});
