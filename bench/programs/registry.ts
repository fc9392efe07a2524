/**
 * The loopback registry in a process of its own: `registry.js [--rate BYTES_PER_SECOND] NAME=LAYOUT...`, the rate of one
 * connection; says its host, serves until stdin ends.
 */
import { parseArgs } from 'node:util';
import { startLoopbackRegistry } from '../../test/servers/loopback-registry.ts';

const { values, positionals } = parseArgs({ options: { rate: { type: 'string' } }, allowPositionals: true });
const repositories = Object.fromEntries(positionals.map((pair) => pair.split('=', 2) as [string, string]));
const registry = await startLoopbackRegistry({
  repositories,
  ...(values.rate === undefined ? {} : { script: () => ({ bytesPerSecond: Number(values.rate) }) }),
});
process.stdout.write(`${registry.host}\n`);
process.stdin.resume();
process.stdin.once('end', () => void registry.close());
