/** The programs that are measured beside ours: what is not installed is named as missing, never guessed. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { buildGoPeers, type GoPeer } from './go-peers.ts';
import type { Contestant, Missing } from '../measure/contestant.ts';

export interface Peers {
  /** Path of a program; undefined when it is not on the PATH. */
  readonly find: (command: string) => string | undefined;
  /** Path of a Go peer, built when first asked for; or why there is none. */
  readonly go: (name: GoPeer) => Promise<{ readonly path: string } | { readonly reason: string }>;
}

/** @param folder where built programs go */
export function openPeers(folder: string, tell: (line: string) => void): Peers {
  const go = findOnPath('go', ['/usr/local/go/bin']);
  const built = new Map<GoPeer, Promise<{ path: string } | { reason: string }>>();
  return {
    find: (command) => findOnPath(command, []),
    go: (name) => {
      const building = built.get(name) ?? buildGoPeers(name, { go, folder, tell });
      built.set(name, building);
      return building;
    },
  };
}

function findOnPath(command: string, more: readonly string[]): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...more];
  return folders.map((folder) => join(folder, command)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** Collects those who are there and those who are not. */
export class Field {
  readonly contestants: Contestant[] = [];
  readonly missing: Missing[] = [];
  readonly #peers: Peers;

  constructor(peers: Peers) {
    this.#peers = peers;
  }

  add(contestant: Contestant): void {
    this.contestants.push(contestant);
  }

  /** A program of the system whose output is data. */
  addProgram(command: string, ...args: readonly string[]): void {
    const path = this.#peers.find(command);
    const name = [command, ...args.filter((arg) => arg.startsWith('-'))].join(' ');
    if (path === undefined) this.missing.push({ name, reason: 'not on the PATH' });
    else this.add({ name, command: () => [path, ...args], printsData: true });
  }

  async addGo(name: string, peer: GoPeer, ...args: readonly string[]): Promise<void> {
    const found = await this.#peers.go(peer);
    if ('reason' in found) this.missing.push({ name, reason: found.reason });
    else this.add({ name, command: () => [found.path, ...args] });
  }
}
