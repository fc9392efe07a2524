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
    const copied = COPY_FROM.exec(line)?.[1];
    if (copied !== undefined && !copied.includes('$')) add(copied);
  }
  return images;
}

/** Instructions with their continuations joined, comments left out. */
function* logicalLines(text: string, name: string): Generator<string> {
  let line = '';
  for (const [at, part] of text.split(/\r?\n/).entries()) {
    if (/^\s*#/.test(part)) continue;
    line += part.endsWith('\\') ? `${part.slice(0, -1)} ` : part;
    if (line.length > MAX_LINE_CHARS) throw unusable(name, `the instruction at line ${at + 1} is too long`);
    if (part.endsWith('\\')) continue;
    yield line.trim();
    line = '';
  }
  yield line.trim();
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
