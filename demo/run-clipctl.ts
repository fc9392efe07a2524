import { spawn } from 'node:child_process';

/** Runs the real command line, `node bin/run.js`, and gives what it wrote on stdout; its progress goes to our stderr. */
export function runClipctl(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['bin/run.js', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: cleanEnvironment(),
    });
    const pieces: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
    child.once('error', reject);
    child.once('close', (code) => {
      const output = Buffer.concat(pieces).toString();
      if (code === 0) resolve(output);
      else reject(new Error(`clipctl ${args.join(' ')} ended with exit code ${code}\n${output}`));
    });
  });
}

/** The demo shows defaults: settings of this user's own clipctl are left out. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CLIPCTL_')));
}
