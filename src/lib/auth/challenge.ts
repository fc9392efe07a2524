/** WWW-Authenticate (RFC 9110 §11.6.1), as registries send it. A linear reader: the header is attacker data. */

export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER_CHARS = 8192;
const TOKEN = /[A-Za-z0-9!#$%&'*+.^_`|~-]+/y;
const SPACE = /[ \t,]*/y;

/** All challenges of the header, in order; what cannot be read ends the list. */
export function parseChallenges(header: string): readonly Challenge[] {
  const text = header.slice(0, MAX_HEADER_CHARS);
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = skip(text, 0);
  while (at < text.length) {
    const word = readToken(text, at);
    if (word === undefined) break;
    at += word.length;
    const parameter = text[at] === '=' ? readValue(text, at + 1) : undefined;
    if (text[at] === '=' && parameter === undefined) break;
    if (parameter === undefined) {
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
    } else {
      challenges.at(-1)?.parameters.set(word.toLowerCase(), parameter.value);
      at = parameter.end;
    }
    at = skip(text, at);
  }
  return challenges;
}

function readToken(text: string, at: number): string | undefined {
  TOKEN.lastIndex = at;
  return TOKEN.exec(text)?.[0];
}

function skip(text: string, at: number): number {
  SPACE.lastIndex = at;
  SPACE.test(text);
  return SPACE.lastIndex;
}

function readValue(text: string, at: number): { value: string; end: number } | undefined {
  if (text[at] !== '"') {
    const value = readToken(text, at);
    return value === undefined ? undefined : { value, end: at + value.length };
  }
  let value = '';
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '"') return { value, end: i + 1 };
    if (text[i] === '\\') i++;
    value += text[i] ?? '';
  }
  return undefined;
}
