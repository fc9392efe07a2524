import { parseArgs } from 'node:util';
import { CLAIMS } from './claims/claims.ts';
import type { Claim } from './claim.ts';

export interface BenchOptions {
  readonly claims: readonly Claim[];
  readonly runs: number;
  /** Of the data; results of another scale than 1 are no results. */
  readonly scale: number;
  /** Where results.json and plots/ go. */
  readonly out: string;
}

/** @throws Error for what it does not know */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '5' },
      scale: { type: 'string', default: '1' },
      out: { type: 'string', default: 'bench' },
    },
  });
  if (Number(values.scale) !== 1 && values.out === 'bench') throw new Error('--scale makes no figures to keep: give --out too');
  const claims = positionals.length === 0 ? CLAIMS : positionals.map(claimNamed);
  return { claims, runs: positive('runs', values.runs), scale: positive('scale', values.scale), out: values.out };
}

function claimNamed(name: string): Claim {
  const claim = CLAIMS.find((each) => each.name === name);
  if (claim === undefined) throw new Error(`no benchmark ${name}; there are: ${CLAIMS.map((each) => each.name).join(', ')}`);
  return claim;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} takes a positive number, not ${text}`);
  return value;
}
