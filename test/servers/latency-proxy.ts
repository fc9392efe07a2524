/** A TCP proxy that hands on every byte a fixed time after it came, in both directions, at any rate; a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface LatencyProxy {
  readonly port: number;
  /** Ends all connections at once, as a cut cable would show. */
  cut(): void;
  close(): Promise<void>;
}

/** @param oneWayMs half of what a round trip takes longer */
export async function startLatencyProxy(targetPort: number, oneWayMs: number): Promise<LatencyProxy> {
  const script = fileURLToPath(new URL('./latency-proxy-process.js', import.meta.url));
  const child = spawn(process.execPath, [script, String(targetPort), String(oneWayMs)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    port: Number(line.toString('utf8')),
    cut: () => child.stdin.write('cut\n'),
    close: async () => {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}
