import { unusable } from './unusable-list.ts';
import { substitute } from './variables.ts';

interface DockerfileOptions {
  readonly name: string;
  /** Goes before the defaults of ARG, as `--build-arg` would. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** `FROM [--flag]... IMAGE [AS STAGE]` */
const FROM = /^from\s+((?:--\S+\s+)*)(\S+)(?:\s+as\s+(\S+))?\s*$/i;
const ARG = /^arg\s+([A-Za-z_][A-Za-z0-9_]*)(?:=(.*))?$/i;
const COPY_FROM = /^(?:copy|add)\s+(?:--\S+\s+)*--from=(\S+)\s/i;
/** `RUN --mount=type=bind,from=IMAGE,…` */
const MOUNT_FROM = /\s--mount=(?:[^\s,]*,)*from=([^\s,]+)/gi;
/** `RUN <<EOF`, `COPY <<-"EOF" file`: what follows up to the word is no instruction. */
const HEREDOC = /^(?:run|copy|add)\s.*?<<(-?)(["']?)([A-Za-z_][A-Za-z0-9_]*)\2/i;
const MAX_LINE_CHARS = 65_536;

/** The base images of a Dockerfile: not its own stages, and not `scratch`. */
export function imagesOfDockerfile(text: string, { name, environment }: DockerfileOptions): string[] {
  const stages = new Set<string>(['scratch']);
  const defaults = new Map<string, string>();
  const images: string[] = [];
  const variables = (variable: string): string | undefined =>
    defaults.has(variable) ? (environment[variable] ?? defaults.get(variable)) : undefined;
  const resolve = (image: string): string => {
    const found = substitute(image, variables);
    if (typeof found === 'string') return found;
    throw unusable(name, `${image.slice(0, 200)}: ARG ${found.missing} has no value`);
  };
  const add = (image: string): void => {
    if (!stages.has(image.toLowerCase()) && !/^\d+$/.test(image)) images.push(image);
  };
  for (const line of logicalLines(text, name)) {
    const argument = ARG.exec(line);
    // Only an ARG before the first FROM counts in a FROM.
    if (argument?.[1] !== undefined && images.length === 0) {
      const value = argument[2] === undefined ? environment[argument[1]] : resolve(unquoted(argument[2].trim()));
      if (value !== undefined) defaults.set(argument[1], value);
    }
    const from = FROM.exec(line);
    if (from?.[2] !== undefined) {
      add(resolve(unquoted(from[2])));
      if (from[3] !== undefined) stages.add(from[3].toLowerCase());
    }
    const mounted = /^run\s/i.test(line) ? [...line.matchAll(MOUNT_FROM)].map(([, image]) => image) : [];
    for (const copied of [COPY_FROM.exec(line)?.[1], ...mounted]) if (copied?.includes('$') === false) add(copied);
  }
  return images;
}

/** Instructions with their continuations joined, comments and heredocs left out. */
function* logicalLines(text: string, name: string): Generator<string> {
  let line = '';
  let end: { readonly word: string; readonly isIndented: boolean } | undefined;
  const parts = text.split(/\r?\n/);
  const words = new Set(parts.map(withoutTabs));
  for (const [at, part] of parts.entries()) {
    if (end !== undefined) {
      if ((end.isIndented ? withoutTabs(part) : part) === end.word) end = undefined;
      continue;
    }
    if (/^\s*#/.test(part)) continue;
    line += part.endsWith('\\') ? `${part.slice(0, -1)} ` : part;
    if (line.length > MAX_LINE_CHARS) throw unusable(name, `the instruction at line ${at + 1} is too long`);
    if (part.endsWith('\\')) continue;
    const heredoc = HEREDOC.exec(line.trim());
    // One without an end is something of the shell.
    if (heredoc?.[3] !== undefined && words.has(heredoc[3])) end = { word: heredoc[3], isIndented: heredoc[1] === '-' };
    yield line.trim();
    line = '';
  }
  yield line.trim();
}

function withoutTabs(line: string): string {
  return line.replace(/^\t+/, '');
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
