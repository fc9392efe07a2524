/** The process behind latency-proxy.ts: `node latency-proxy-process.js TARGET_PORT ONE_WAY_MS`; prints its port; a line on stdin cuts all connections. */
import { connect, createServer } from 'node:net';

const [targetPort = 0, oneWayMs = 0] = process.argv.slice(2).map(Number);
/** @type {Set<import('node:net').Socket>} */
const sockets = new Set();

const server = createServer((near) => {
  const far = connect(targetPort, '127.0.0.1');
  for (const socket of [near, far]) {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  }
  delay(near, far);
  delay(far, near);
});

/**
 * @param {import('node:net').Socket} from
 * @param {import('node:net').Socket} to
 */
function delay(from, to) {
  from.on('data', (bytes) => setTimeout(() => to.destroyed || to.write(bytes), oneWayMs));
  from.on('close', () => setTimeout(() => to.destroy(), oneWayMs));
}

server.listen(0, '127.0.0.1', () => process.stdout.write(`${/** @type {any} */ (server.address()).port}\n`));
process.stdin.on('data', () => sockets.forEach((socket) => socket.destroy()));
process.stdin.on('end', () => {
  for (const socket of sockets) socket.destroy();
  server.close();
});
