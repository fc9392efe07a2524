/** The loopback registry in a process of its own: `registry.js NAME=LAYOUT...`; says its host, serves until stdin ends. */
import { startLoopbackRegistry } from '../../test/servers/loopback-registry.ts';

const repositories = Object.fromEntries(process.argv.slice(2).map((pair) => pair.split('=', 2) as [string, string]));
const registry = await startLoopbackRegistry({ repositories });
process.stdout.write(`${registry.host}\n`);
process.stdin.resume();
process.stdin.once('end', () => void registry.close());
