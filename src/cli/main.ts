/** The oclif runner; bundled to dist/cli.js and started by bin/run.js. */
import { writeSync } from 'node:fs';
import { Config, run, settings } from '@oclif/core';
import { ClipctlError, errorCodeOf } from '../lib/errors.ts';
import { earlyMode } from './early-mode.ts';
import { EXIT_CLOSED_PIPE, exitCodeOf } from './exit-codes.ts';
import { escapeJson } from './escape.ts';
import { hasDocument, Output, SCHEMA_VERSION } from './output.ts';
import { isOclifError, redactCrash, reportOf } from './report-error.ts';
import { suggest } from './suggest.ts';

const HELP_AND_VERSION = new Set(['--help', '-h', '--version']);

/**
 * Runs one command line. Never rejects; the exit code is in `process.exitCode`.
 * @param argv without node and script
 * @param root the package's own directory, where its package.json lies
 */
export async function main(argv: readonly string[], root: string): Promise<void> {
  // In a checkout with NODE_ENV=test oclif would look for a TypeScript runner.
  settings.enableAutoTranspile = false;
  reportCrashes(argv);
  try {
    const config = await Config.load({ root, userPlugins: false, devPlugins: false, jitPlugins: false });
    await runCommand(argv, config);
  } catch (error) {
    await fail(argv, error);
  }
}

async function runCommand(argv: readonly string[], config: Config): Promise<void> {
  const [name] = argv;
  if (name === undefined || isKnown(argv, config) || HELP_AND_VERSION.has(name)) {
    await run([...argv], config);
    return;
  }
  if (name.startsWith('-'))
    throw new ClipctlError('USAGE', `missing command before ${name}`, { hint: 'clipctl --help lists all commands.' });
  const typed = config.findTopic(name) === undefined ? name : argv.slice(0, 2).join(' ');
  const nearest = suggest(
    typed,
    config.commandIDs.map((id) => id.replaceAll(':', ' ')),
  );
  throw new ClipctlError('USAGE', `unknown command ${typed}`, {
    hint: `${nearest === undefined ? '' : `Did you mean ${nearest}? `}clipctl --help lists all commands.`,
  });
}

/** A command, or a topic with a command of it; a topic alone shows its help. */
function isKnown([name = '', verb]: readonly string[], config: Config): boolean {
  if (config.findCommand(name) !== undefined) return true;
  if (config.findTopic(name) === undefined) return false;
  return verb === undefined || verb.startsWith('-') || config.findCommand(`${name}:${verb}`) !== undefined;
}

/** What happens outside a command: an unknown one, or a package that is not whole. */
async function fail(argv: readonly string[], error: unknown): Promise<void> {
  const known =
    isOclifError(error) && error.oclif.exit === 2 ? new ClipctlError('USAGE', error.message.split('\n', 1)[0] ?? '') : error;
  if (process.exitCode !== EXIT_CLOSED_PIPE) process.exitCode = exitCodeOf(errorCodeOf(known));
  await new Output(process, commandOf(argv), earlyMode(argv, process.env)).error(known);
}

/** The word that stands where a command should. */
function commandOf(argv: readonly string[]): string {
  return argv.find((word) => !word.startsWith('-'))?.slice(0, 100) ?? 'clipctl';
}

/**
 * An exception that nobody caught ends the process whatever we do; with `--json` it shall still leave a document,
 * unless the result stands there already. What the runtime prints of it holds no secret. The write is synchronous because nothing runs after it.
 */
function reportCrashes(argv: readonly string[]): void {
  process.on('uncaughtExceptionMonitor', (error) => {
    redactCrash(error);
    if (!earlyMode(argv, process.env).json || hasDocument(process.stdout)) return;
    const document = { schemaVersion: SCHEMA_VERSION, command: commandOf(argv), error: reportOf(error) };
    try {
      writeSync(process.stdout.fd, `${escapeJson(JSON.stringify(document))}\n`);
    } catch {
      // A full disk or a closed pipe: the crash itself is still told on stderr, and must not become another one.
    }
  });
}
