import { unusable } from './unusable-list.ts';

const MAX_LINE_CHARS = 8192;

/** One image a line; blank lines and what follows `#` at the start of a line or behind white space are left out. */
export function imagesOfLines(text: string, name: string): string[] {
  const images: string[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.length > MAX_LINE_CHARS) throw unusable(name, `line ${at + 1} is longer than ${MAX_LINE_CHARS} characters`);
    const image = withoutComment(line).trim();
    if (/\s/.test(image)) throw unusable(name, `line ${at + 1} names more than one thing`);
    if (image !== '') images.push(image);
  }
  return images;
}

function withoutComment(line: string): string {
  for (let at = line.indexOf('#'); at >= 0; at = line.indexOf('#', at + 1)) {
    if (at === 0 || line[at - 1] === ' ' || line[at - 1] === '\t') return line.slice(0, at);
  }
  return line;
}
