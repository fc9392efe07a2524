/** Two users of one group, and a directory that both may write to. For tests that run as root. */
import { execFileSync } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeHome, type CliResult, type Home, type RunOptions } from './run-cli.ts';

const GROUP = 43_000;
const USERS = { ann: 43_001, bob: 43_002 } as const;

export type Member = keyof typeof USERS;

export interface Group {
  readonly home: Home;
  readonly cacheDir: string;
  /** With `--shared` in the cache directory of the group. */
  run(member: Member, args: readonly string[], options?: RunOptions): Promise<CliResult>;
  /** Runs a line of shell as a member. @throws Error when it fails */
  act(member: Member, line: string): void;
  /** Puts a file there that belongs to a member. `path` is below the cache directory. */
  plant(member: Member, path: string, file: { readonly text: string; readonly mode: number }): Promise<void>;
  remove(): Promise<void>;
}

/** @param mode of a cache directory that the administrator has made; default: there is none yet */
export async function makeGroup(umask: number, mode?: number): Promise<Group> {
  const home = await makeHome();
  await chmod(home.dir, 0o755);
  const common = home.path('common');
  await mkdir(common);
  await chown(common, 0, GROUP);
  await chmod(common, 0o775);
  const cacheDir = join(common, 'team/cache');
  if (mode !== undefined) {
    await mkdir(cacheDir, { recursive: true });
    await chown(cacheDir, 0, GROUP);
    await chmod(cacheDir, mode);
  }
  for (const [member, uid] of Object.entries(USERS)) {
    await mkdir(home.path(member), { mode: 0o700 });
    await chown(home.path(member), uid, GROUP);
  }
  return {
    home,
    cacheDir,
    run: (member, args, options = {}) => {
      const own = home.path(member);
      const places = { HOME: own, XDG_CACHE_HOME: own, XDG_CONFIG_HOME: own, XDG_RUNTIME_DIR: own, TMPDIR: own };
      return home.run([...args, '--shared', '--cache-dir', cacheDir], {
        ...options,
        env: { ...places, DOCKER_CONFIG: own, ...options.env },
        as: { uid: USERS[member], gid: GROUP, umask },
      });
    },
    act: (member, line) => {
      execFileSync('/bin/sh', ['-c', line], { uid: USERS[member], gid: GROUP, cwd: '/' });
    },
    plant: async (member, path, { text, mode }) => {
      await writeFile(join(cacheDir, path), text);
      await chown(join(cacheDir, path), USERS[member], GROUP);
      await chmod(join(cacheDir, path), mode);
    },
    remove: () => home.remove(),
  };
}

/** As if nobody had used a layer for two days. */
export async function ageLayers(cacheDir: string): Promise<void> {
  const longAgo = new Date(Date.now() - 2 * 24 * 3_600_000);
  const records = join(cacheDir, '.clipctl/v1/layers');
  for (const name of await readdir(records)) await utimes(join(records, name), longAgo, longAgo);
}

export interface OwnedName {
  readonly name: string;
  readonly uid: number;
  readonly mode: string;
}

/** Everything in the cache directory, itself as `.`. */
export async function namesWithModes(cacheDir: string): Promise<{ directories: OwnedName[]; files: OwnedName[] }> {
  const found = { directories: [] as OwnedName[], files: [] as OwnedName[] };
  for (const name of ['.', ...(await readdir(cacheDir, { recursive: true }))]) {
    const stats = await lstat(join(cacheDir, name));
    const owned = { name, uid: stats.uid, mode: (stats.mode & 0o7777).toString(8) };
    (stats.isDirectory() ? found.directories : found.files).push(owned);
  }
  return found;
}
