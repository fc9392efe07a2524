import { unusable } from './unusable-list.ts';
import { substitute } from './variables.ts';

interface YamlOptions {
  readonly name: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Deeper than any manifest, shallower than any stack. */
const MAX_DEPTH = 100;

/** Every `image:` with a string behind it, in all documents: pods in any wrapping, compose services. */
export async function imagesOfYaml(text: string, options: YamlOptions): Promise<string[]> {
  const { parseAllDocuments } = await import('yaml');
  const images: string[] = [];
  for (const document of parseAllDocuments(text, { logLevel: 'error', version: '1.2' })) {
    const [problem] = document.errors;
    if (problem !== undefined) throw unusable(options.name, `it is no YAML: ${problem.message.split('\n', 1)[0] ?? ''}`);
    collect(parsed(document, options.name), { images, depth: 0, options });
  }
  return images;
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
  if (found.depth > MAX_DEPTH) throw unusable(found.options.name, `it is nested deeper than ${MAX_DEPTH}`);
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
