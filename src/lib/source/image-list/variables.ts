/** `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME-default}`, as compose files and Dockerfiles have them. */

export type Variables = (name: string) => string | undefined;

/** No reference is longer; nested defaults are read again at each level. */
const MAX_TEXT_CHARS = 4096;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;

/**
 * Replaces the variables of `text`; a default may hold variables of its own.
 * @returns the missing name where a variable has neither a value nor a default
 */
export function substitute(text: string, variables: Variables): string | { readonly missing: string } {
  if (text.length > MAX_TEXT_CHARS) return { missing: text.slice(0, 64) };
  let result = '';
  for (let at = 0; at < text.length;) {
    const dollar = text.indexOf('$', at);
    if (dollar < 0) return result + text.slice(at);
    result += text.slice(at, dollar);
    if (text[dollar + 1] === '$') {
      result += '$';
      at = dollar + 2;
      continue;
    }
    const found = readVariable(text, dollar + 1);
    if (found === undefined) return { missing: text.slice(dollar, dollar + 64) };
    const value = valueOf(found, variables);
    if (typeof value !== 'string') return value;
    result += value;
    at = found.end;
  }
  return result;
}

interface Variable {
  readonly name: string;
  readonly fallback?: string;
  /** `:-`: an empty value counts as none. */
  readonly emptyIsMissing: boolean;
  readonly end: number;
}

function valueOf({ name, fallback, emptyIsMissing }: Variable, variables: Variables): string | { readonly missing: string } {
  const value = variables(name);
  if (value !== undefined && !(emptyIsMissing && value === '')) return value;
  return fallback === undefined ? { missing: name } : substitute(fallback, variables);
}

function readVariable(text: string, at: number): Variable | undefined {
  const isBraced = text[at] === '{';
  NAME.lastIndex = isBraced ? at + 1 : at;
  const name = NAME.exec(text)?.[0];
  if (name === undefined) return undefined;
  const behind = (isBraced ? at + 1 : at) + name.length;
  if (!isBraced) return { name, emptyIsMissing: false, end: behind };
  const close = closingBrace(text, behind);
  if (close < 0) return undefined;
  if (close === behind) return { name, emptyIsMissing: false, end: close + 1 };
  const emptyIsMissing = text[behind] === ':';
  const operator = emptyIsMissing ? behind + 1 : behind;
  if (text[operator] !== '-') return undefined;
  return { name, fallback: text.slice(operator + 1, close), emptyIsMissing, end: close + 1 };
}

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  return -1;
}
