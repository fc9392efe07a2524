import type { Environment } from './flag-values.ts';
import type { OutputMode } from './output.ts';

/**
 * How to speak before the flags are parsed, so that a wrong flag is told in the form that was asked for. Looks only at
 * `--json` and `-v` before a `--`, and at CLIPCTL_JSON.
 */
export function earlyMode(argv: readonly string[], env: Environment): OutputMode {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  const verbosity = words.reduce((sum, word) => sum + (word === '--verbose' ? 1 : (/^-(v+)$/.exec(word)?.[1]?.length ?? 0)), 0);
  return {
    json: words.includes('--json') || /^\s*(1|true|yes|on)\s*$/i.test(env['CLIPCTL_JSON'] ?? ''),
    quiet: false,
    verbosity,
  };
}
