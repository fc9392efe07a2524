import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeJson, escapeText } from '../../src/cli/escape.ts';

const ESC = '\u001b';

describe('text from an image', () => {
  it.each([
    ['a window title', `${ESC}]0;owned\u0007`, '\\x1b]0;owned\\x07'],
    ['a hyperlink (OSC 8)', `${ESC}]8;;http://x${ESC}\\link`, '\\x1b]8;;http://x\\x1b\\link'],
    ['the clipboard (OSC 52)', `${ESC}]52;c;aGk=\u0007`, '\\x1b]52;c;aGk=\\x07'],
    ['a colour (CSI)', `${ESC}[31mred`, '\\x1b[31mred'],
    ['an 8-bit CSI', '\u009b31mred', '\\x9b31mred'],
    ['a carriage return', 'safe\revil', 'safe\\revil'],
    ['a line break', 'a\nb', 'a\\nb'],
    ['a tab', 'a\tb', 'a\\tb'],
    ['a bidi override', 'cod\u202egpj.exe', 'cod\\u{202e}gpj.exe'],
    ['a bidi isolate', '\u2066x\u2069', '\\u{2066}x\\u{2069}'],
    ['a zero-width space', 'a\u200bb', 'a\\u{200b}b'],
    ['a tag character', '\u{e0041}', '\\u{e0041}'],
    ['a lone surrogate', '\ud800x', '\\u{d800}x'],
    ['a GitHub command', '::error::x', '\\x3a:error::x'],
    ['an indented GitHub command', '  ::set-output name=x::y', '  \\x3a:set-output name=x::y'],
    ['an old GitHub command anywhere', 'a ##[error]x', 'a \\x23#[error]x'],
    ['an Azure command anywhere', 'a ##vso[task.setvariable]x', 'a \\x23#vso[task.setvariable]x'],
  ])('shows %s and does not obey it', (_, text, shown) => {
    expect(escapeText(text)).toBe(shown);
  });

  it('keeps what is harmless', () => {
    for (const text of ['naïve 文件 🎉', 'a::b', '/usr/bin/[', 'C:\\x']) expect(escapeText(text)).toBe(text);
  });

  it('is ASCII where the terminal is', () => {
    expect(escapeText('naïve 🎉', { ascii: true })).toBe('na\\xefve \\u{1f389}');
  });

  it('never holds a control character, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeText(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|^\s*::|##\[/u);
        expect(escapeText(text, { ascii: true })).toMatch(/^[ -~]*$/);
      }),
    );
  });
});

describe('a JSON document', () => {
  it('means the same after escaping', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value);
        expect(JSON.parse(escapeJson(json))).toEqual(JSON.parse(json));
      }),
    );
  });

  it('obeys no terminal and no CI system', () => {
    const json = escapeJson(JSON.stringify({ name: '\u009b31m\u202e##vso[x]##[y]\u{e0041}' }));
    expect(json).toMatch(/^[ -~]*$/);
    expect(json).not.toMatch(/##/);
    expect(JSON.parse(json)).toEqual({ name: '\u009b31m\u202e##vso[x]##[y]\u{e0041}' });
  });
});
