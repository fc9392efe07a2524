import { expect, it } from 'vitest';
import { Output } from '../../src/cli/output.ts';
import { ClipctlError } from '../../src/lib/errors.ts';

it('a secret is printed neither as it is nor in base64, padded or not', async () => {
  const said: string[] = [];
  const stream = { write: (text: string) => said.push(text) };
  const output = new Output({ stdout: stream, stderr: stream, env: {} }, 'warm', { json: false, quiet: false, verbosity: 1 });
  const password = 'canary-éé';
  const pair = Buffer.from(`user:${password}`).toString('base64');
  const bare = Buffer.from(password).toString('base64');
  expect(bare).toMatch(/=$/);
  output.hideSecrets([password, pair]);
  const text = `a ${password} b ${bare} c ${bare.replace(/=+$/, '')} d ${pair} e`;
  output.warn(text);
  await output.error(new ClipctlError('UNAUTHORIZED', text, { cause: new Error(text), hint: text }));
  const all = said.join('');
  for (const secret of [password, 'canary', bare.slice(0, -1), pair]) expect(all).not.toContain(secret);
  expect(all).toContain(' e');
});
