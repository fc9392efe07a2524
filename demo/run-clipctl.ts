import { spawn } from 'node:child_process';

/** Runs the real command line, `node bin/run.js`, and gives what it wrote on stdout; a terminal shows its progress. */
export function runClipctl(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const progress = process.stderr.isTTY ? 'auto' : 'none';
    const child = spawn(process.execPath, ['bin/run.js', ...args, '--progress', progress], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: cleanEnvironment(),
    });
    const pieces: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
    child.once('error', reject);
    child.once('close', (code) => {
      const output = Buffer.concat(pieces).toString();
      if (code === 0) resolve(output);
      else reject(new Error(`clipctl ${args[0] ?? ''} ended with exit code ${code}: ${messageOf(output)}`));
    });
  });
}

/** The demo shows defaults: settings of this user's own clipctl are left out. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CLIPCTL_')));
}

/** What a failed command says in its JSON document; without --json it has said it on stderr. */
function messageOf(output: string): string {
  if (!output.startsWith('{')) return output;
  const { error } = JSON.parse(output) as { error?: { code: string; message: string; hint?: string } };
  return error === undefined ? output : `${error.code}: ${error.message}\n${error.hint ?? ''}`;
}
