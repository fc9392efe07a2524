import type { CST, LineCounter } from 'yaml';
import type { ClipctlError } from '../../errors.ts';
import { unusable } from './unusable-list.ts';
import { substitute } from './variables.ts';

interface YamlOptions {
  readonly name: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Deeper than any manifest, shallower than any stack. */
const MAX_DEPTH = 100;
/** What the reader may have open at once: a level is a few of these. */
const MAX_OPEN_TOKENS = 4 * MAX_DEPTH;

/** Every `image:` with a string behind it, in all documents: pods in any wrapping, compose services. */
export async function imagesOfYaml(text: string, options: YamlOptions): Promise<string[]> {
  const yaml = await import('yaml');
  const images: string[] = [];
  const lines = new yaml.LineCounter();
  // Only the parser's own loop over the text tells of the first one.
  lines.addNewLine(0);
  const tokens = shallowTokens(text, { lexer: new yaml.Lexer(), parser: new yaml.Parser(lines.addNewLine), name: options.name });
  for (const document of new yaml.Composer({ logLevel: 'error', version: '1.2' }).compose(tokens)) {
    const [problem] = document.errors;
    if (problem !== undefined) throw unusable(options.name, `it is no YAML: ${problem.message}${placeOf(problem.pos, lines)}`);
    collect(parsed(document, options.name), { images, depth: 0, options });
  }
  return images;
}

interface Reading {
  readonly lexer: { lex(text: string): Iterable<string> };
  readonly parser: { readonly stack: readonly unknown[]; next(lexeme: string): Iterable<CST.Token>; end(): Iterable<CST.Token> };
  readonly name: string;
}

/** The tokens of the documents. What composes nodes of them calls itself for each level, and the stack's end is no error there. */
function* shallowTokens(text: string, { lexer, parser, name }: Reading): Generator<CST.Token> {
  for (const lexeme of lexer.lex(text)) {
    if (parser.stack.length > MAX_OPEN_TOKENS) throw tooDeep(name);
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}

function placeOf([offset]: readonly [number, number], lines: LineCounter): string {
  const { line, col } = lines.linePos(offset);
  return ` at line ${line}, column ${col}`;
}

function tooDeep(name: string): ClipctlError {
  return unusable(name, `it is nested deeper than ${MAX_DEPTH}`);
}

/** A handful of aliases can stand for more nodes than there is memory: the parser counts them. */
function parsed(document: { toJS(options: { maxAliasCount: number }): unknown }, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw unusable(name, 'its aliases are too many', error);
  }
}

function collect(
  value: unknown,
  found: { readonly images: string[]; readonly depth: number; readonly options: YamlOptions },
): void {
  if (found.depth > MAX_DEPTH) throw tooDeep(found.options.name);
  const below = { ...found, depth: found.depth + 1 };
  if (Array.isArray(value)) for (const item of value) collect(item, below);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (key === 'image' && typeof item === 'string' && item !== '') found.images.push(resolved(item, found.options));
      else collect(item, below);
    }
  }
}

function resolved(image: string, { name, environment }: YamlOptions): string {
  const text = substitute(image.trim(), (variable) => environment[variable]);
  if (typeof text === 'string') return text;
  throw unusable(name, `${image.slice(0, 200)}: ${text.missing} has no value; set it in the environment`);
}
