import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PATH = join(import.meta.dirname, 'go-verdicts.json');

/** Go's verdicts by case name, as `recordOf` writes them; recorded by the interop test with RECORD=1. */
export function readGolden(): ReadonlyMap<string, string> {
  return new Map(Object.entries(JSON.parse(readFileSync(PATH, 'utf8')) as Record<string, string>));
}

export function writeGolden(verdicts: ReadonlyMap<string, string>): void {
  writeFileSync(PATH, `${JSON.stringify(Object.fromEntries(verdicts), undefined, 2)}\n`);
}
