/** What a peer on loopback was sent and has not read yet: a killed process never had it. Linux, IPv4: proc(5), /proc/net/tcp. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

const LOOPBACK = '0100007F';

/** Bytes in the kernel between both ends of the connection. */
export function unreadBytes({ localPort, remotePort }: Socket): number {
  const [ours, theirs] = [localPort, remotePort].map((port) => `${LOOPBACK}:${hex(port ?? 0)}`);
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n');
  return queueOf(lines, ` ${ours} ${theirs} `, 0) + queueOf(lines, ` ${theirs} ${ours} `, 1);
}

/** @param at 0: sent, not acknowledged; 1: received, not read */
function queueOf(lines: readonly string[], addresses: string, at: 0 | 1): number {
  const line = lines.find((each) => each.includes(addresses)) ?? '';
  const queues = line.slice(line.indexOf(addresses) + addresses.length).split(' ')[1] ?? '';
  return Number.parseInt(queues.split(':')[at] ?? '0', 16) || 0;
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
