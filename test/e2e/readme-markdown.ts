/** What a reader takes from a Markdown page: blocks of code, commands, links. */

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

/** One command of a ```console block with what it printed. */
export interface Transcript {
  readonly command: string;
  readonly output: string;
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm;

export function codeBlocks(markdown: string): readonly CodeBlock[] {
  return [...markdown.matchAll(FENCE)].map((match) => ({ language: match[1] ?? '', text: match[2] ?? '' }));
}

/** The commands of a ```console block: `$ ` starts one, what follows is its output. */
export function transcriptsOf(block: string): readonly Transcript[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n');
      return { command: part.slice(0, end), output: part.slice(end + 1).trimEnd() };
    });
}

export function renderTranscripts(transcripts: readonly Transcript[]): string {
  return transcripts.map(({ command, output }) => `$ ${command}\n${output}\n`).join('\n');
}

/** Every call of clipctl in the shell examples of a page: its words behind `clipctl`. */
export function commandLines(markdown: string, variables: Readonly<Record<string, string>>): readonly string[][] {
  return codeBlocks(markdown)
    .filter(({ language }) => ['sh', 'console', 'yaml'].includes(language))
    .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, '').split('\n'))
    .flatMap((line) => line.replace(/\s#\s.*$/, '').split(/\|\||&&|[|;]/))
    .flatMap((part) => /(?:\bclipctl|node bin\/run\.js) (.+)$/.exec(part)?.[1] ?? [])
    .map((rest) => splitWords(rest.replace(/\s\d?[<>].*$/, ''), variables));
}

/** As a shell does, as far as the examples go: quotes and `$NAME`. @throws Error for a variable that the test does not know */
export function splitWords(text: string, variables: Readonly<Record<string, string>>): string[] {
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) =>
    word.replaceAll(/["']/g, '').replaceAll(/\$([A-Z_]+)/g, (_, name: string) => {
      const value = variables[name];
      if (value === undefined) throw new Error(`an example uses $${name}, which the test does not know`);
      return value;
    }),
  );
}

/** Targets of links to other files of the repository and to headings. */
export function localLinks(markdown: string): readonly string[] {
  const prose = markdown.replaceAll(FENCE, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? '')
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

/** The anchors that GitHub makes of headings. */
export function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.replaceAll(FENCE, '').matchAll(/^#{1,6} (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

/** `--flag` names in prose and examples. */
export function flagsNamed(markdown: string): readonly string[] {
  return [...new Set([...markdown.matchAll(/(?<![\w-])--[a-z][a-z-]*[a-z]/g)].map(([flag]) => flag))];
}
