/**
 * Text from images, registries and servers on its way to a terminal or a CI log. Escape sequences, bidi overrides and
 * line breaks are shown instead of obeyed, and what a CI system would take for a command is broken
 * (CVE-2021-25743, CVE-2020-15228).
 */

/** C0, DEL, C1, zero-width and bidi controls, line separators, BOM, tag characters, lone surrogates. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;
const NON_ASCII = /[^\u0000-\u007f]/gu;
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** GitHub reads `::command` at the start of a line after trimming it, and `##[command` anywhere; Azure `##vso[command`. */
const CI_LINE_COMMAND = /^(\s*):(?=:)/;
const CI_INLINE_COMMAND = /##(?=(?:vso)?\[)/gi;

export interface EscapeOptions {
  /** Show every non-ASCII character as an escape, for terminals that are not UTF-8. */
  readonly ascii?: boolean;
}

/** One line of printable text. */
export function escapeText(text: string, options: EscapeOptions = {}): string {
  const visible = text.replace(UNSAFE, escapeCharacter).replace(CI_LINE_COMMAND, '$1\\x3a').replace(CI_INLINE_COMMAND, '\\x23#');
  return options.ascii === true ? visible.replace(NON_ASCII, escapeCharacter) : visible;
}

function escapeCharacter(character: string): string {
  const named = NAMED[character];
  if (named !== undefined) return named;
  const point = character.codePointAt(0) ?? 0;
  return point <= 0xff ? `\\x${point.toString(16).padStart(2, '0')}` : `\\u{${point.toString(16)}}`;
}

/** JSON with the same meaning, safe on a terminal and in a CI log: dangerous characters stand as `\u` escapes. */
export function escapeJson(json: string): string {
  const escaped = json.replace(UNSAFE, (character) => [...utf16(character)].join(''));
  return escaped.replace(CI_INLINE_COMMAND, '\\u0023#');
}

function* utf16(character: string): Iterable<string> {
  for (let at = 0; at < character.length; at++) yield `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
}
