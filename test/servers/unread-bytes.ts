/** What peers on loopback were sent and have not read yet: a killed process never had it. Linux, IPv4: proc(5), /proc/net/tcp. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

const LOOPBACK = '0100007F';
/** Of a line of /proc/net/tcp: `sl local remote state tx_queue:rx_queue …`, numbers in hex. */
const LINE = /^ *\d+: (\S+) (\S+) \S+ ([0-9A-F]+):([0-9A-F]+) /gm;

/**
 * For each socket the bytes in the kernel between this process and its peer. The table
 * is read once, which costs milliseconds: the kernel walks through all its connections.
 */
export function unreadBytes(sockets: Iterable<Socket>): Map<Socket, number> {
  const queues = new Map<string, { readonly sent: number; readonly received: number }>();
  for (const [, local = '', remote = '', sent = '', received = ''] of readFileSync('/proc/net/tcp', 'latin1').matchAll(LINE)) {
    queues.set(`${local} ${remote}`, { sent: Number.parseInt(sent, 16), received: Number.parseInt(received, 16) });
  }
  const unread = new Map<Socket, number>();
  for (const socket of sockets) {
    const [ours, theirs] = [socket.localPort, socket.remotePort].map((port) => `${LOOPBACK}:${hex(port ?? 0)}`);
    const inKernel = (queues.get(`${ours} ${theirs}`)?.sent ?? 0) + (queues.get(`${theirs} ${ours}`)?.received ?? 0);
    unread.set(socket, inKernel);
  }
  return unread;
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
