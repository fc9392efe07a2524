import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');

export interface GoFixture {
  readonly name: string;
  /** What Go CLIP wrote. */
  readonly clip: Uint8Array;
  readonly clipPath: string;
  /** What Go CLIP reads back from it, where that was recorded. */
  readonly dump: unknown;
}

/** Every fixture that Go CLIP could index. */
export function goFixtures(): GoFixture[] {
  const names = readdirSync(FIXTURES).sort();
  return names.flatMap((name) => {
    const files = readdirSync(join(FIXTURES, name));
    if (!files.includes('go.clip')) return [];
    const clipPath = join(FIXTURES, name, 'go.clip');
    const dump: unknown = files.includes('go.dump.json')
      ? JSON.parse(readFileSync(join(FIXTURES, name, 'go.dump.json'), 'utf8'))
      : undefined;
    return [{ name, clip: new Uint8Array(readFileSync(clipPath)), clipPath, dump }];
  });
}
