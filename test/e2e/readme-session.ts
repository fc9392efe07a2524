/**
 * The place where the README's transcripts happen: a registry with the image, an empty home, a mount. Commands and output
 * are translated between it and what a reader sees (localhost:5000, /mnt/cache); times and resident memory are masked.
 */
import { mkdir } from 'node:fs/promises';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { writeReadmeImage } from './readme-image.ts';
import { splitWords, type Transcript } from './readme-markdown.ts';
import { makeHome, type Home } from './run-cli.ts';

export interface ReadmeSession {
  readonly home: Home;
  /** `127.0.0.1:port`, which readers know as {@link SHOWN_HOST}. */
  readonly host: string;
  /** Runs `clipctl …` or `clipctl … | jq PATH` as a page shows it. @throws Error when it does not end with 0 */
  run(command: string): Promise<Transcript>;
  /** What a page shows, as this place has it. */
  localize(text: string): string;
  close(): Promise<void>;
}

export const SHOWN_HOST = 'localhost:5000';

/** Paths that pages use. */
const SHOWN_PATHS = /(?<=[\s'"]|file:\/\/)\/(?:mnt|var)\//g;

/** Two layers at once, whatever the machine, for the figure of buffered bytes; the image's platform, whatever the machine. */
const ENVIRONMENT = { CLIPCTL_JOBS: '2', CLIPCTL_PLATFORM: 'linux/amd64', CLIPCTL_PROGRESS: 'none' };

export async function openReadmeSession(): Promise<ReadmeSession> {
  const home = await makeHome();
  const layout = home.path('image');
  await mkdir(home.path('work'));
  await writeReadmeImage(layout);
  const registry = await startLoopbackRegistry({ repositories: { 'team/app': layout } });
  const localize = (text: string): string =>
    text.replaceAll(SHOWN_HOST, registry.host).replaceAll(SHOWN_PATHS, (path) => `${home.dir}${path}`);
  const present = (text: string): string => text.replaceAll(registry.host, SHOWN_HOST).replaceAll(home.dir, '');
  return {
    home,
    host: registry.host,
    localize,
    run: async (command) => {
      const [call = '', filter] = command.split(' | jq ');
      const [program, ...args] = splitWords(localize(call), {});
      if (program !== 'clipctl') throw new Error(`no command of clipctl: ${command}`);
      const { code, stdout, stderr } = await home.run(args, { cwd: home.path('work'), env: ENVIRONMENT });
      if (code !== 0) throw new Error(`${command} ended with ${code}:\n${stderr}`);
      const output = filter === undefined ? stdout : jq(JSON.parse(stdout), filter);
      return { command, output: present(output + stderr).trimEnd() };
    },
    close: async () => {
      await registry.close();
      await home.remove();
    },
  };
}

/** What differs from run to run: durations and resident memory, in text and in JSON. */
export function maskFigures(text: string): string {
  return (
    text
      .replaceAll(/\bin (?:\d+ h \d+ min|\d+ min \d+ s|[\d.]+ m?s)(?=[,:\s]|$)/gm, 'in <time>')
      // A layer that comes slowly is read over several connections, which also takes more memory.
      .replaceAll(/\b\d+ requests, [\d.]+ MiB buffered/g, '<count> requests, <size> buffered')
      .replaceAll(/[\d.]+ MiB buffered at most/g, '<size> buffered at most')
      .replaceAll(/"(durationMs|peakRssBytes)": ?\d+/g, '"$1": <figure>')
  );
}

/** `jq .path` and `jq -r .path[].name`: all that the pages use, so that jq itself need not be here. */
export function jq(document: unknown, filter: string): string {
  const raw = filter.startsWith('-r ');
  const path = filter.replace(/^-r /, '').replaceAll("'", '');
  if (!/^(?:\.[a-zA-Z]+(?:\[\])?)+$/.test(path)) throw new Error(`this test knows no such jq filter: ${filter}`);
  let values: unknown[] = [document];
  for (const [step] of path.matchAll(/\[\]|[a-zA-Z]+/g)) {
    values = values.flatMap((value) => {
      // flatMap puts the elements in its place.
      if (step === '[]') return value;
      if (typeof value !== 'object' || value === null || !(step in value)) throw new Error(`jq ${filter}: no field ${step}`);
      return [(value as Record<string, unknown>)[step]];
    });
  }
  return values
    .map((value) => (raw && typeof value === 'string' ? value : JSON.stringify(value, null, 2)))
    .map((line) => `${line}\n`)
    .join('');
}
