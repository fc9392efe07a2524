/**
 * `tar-scan.js clipctl|tar-stream first|second FILE`: lists the entries of a tar that is in memory already, timed the first
 * time, while the code is still being compiled, or the second.
 */
import { readFileSync } from 'node:fs';
import { extract } from 'tar-stream';
import { TarScanner } from '../../src/lib/tar/scanner.ts';
import { measureWork } from './measure-work.ts';

const PIECE_BYTES = 1024 * 1024;

function* piecesOf(tar: Buffer): Generator<Buffer> {
  for (let at = 0; at < tar.length; at += PIECE_BYTES) yield tar.subarray(at, at + PIECE_BYTES);
}

function scanWithClipctl(tar: Buffer): { entries: number } {
  let entries = 0;
  const scanner = new TarScanner({ onEntry: () => entries++ });
  for (const piece of piecesOf(tar)) scanner.write(piece);
  scanner.finish();
  return { entries };
}

async function scanWithTarStream(tar: Buffer): Promise<{ entries: number }> {
  let entries = 0;
  const extractor = extract();
  const feed = async (): Promise<void> => {
    for (const piece of piecesOf(tar)) {
      if (!extractor.write(piece)) await new Promise<void>((resolve) => extractor.once('drain', () => resolve()));
    }
    extractor.end(undefined);
  };
  const fed = feed();
  for await (const entry of extractor) {
    entries++;
    entry.resume();
  }
  await fed;
  return { entries };
}

const [scanner, turn, path = ''] = process.argv.slice(2);
const tar = readFileSync(path);
const scan = (): object | Promise<object> => (scanner === 'clipctl' ? scanWithClipctl(tar) : scanWithTarStream(tar));
if (turn === 'second') await scan();
await measureWork(scan);
