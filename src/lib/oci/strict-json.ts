/**
 * JSON of untrusted manifests, read more strictly than `JSON.parse` (RFC 8259, RELIABILITY row 25): size and depth are
 * capped, a duplicate key is refused (parsers disagree on which one wins), and so is an integer that a double cannot
 * hold. Objects become Maps, so that `__proto__` is a key like any other.
 */
import { ClipctlError, type ErrorCode } from '../errors.ts';

export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export type JsonObject = ReadonlyMap<string, JsonValue>;

export interface StrictJsonOptions {
  /** What is being read, for messages: `manifest sha256:…`. */
  readonly what: string;
  /** Raised for whatever is wrong with the text. */
  readonly code: ErrorCode;
  readonly maxBytes: number;
}

/** Far above any real manifest, far below what a recursive reader of 10^5 brackets dies of. */
const MAX_DEPTH = 64;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** RFC 8259 §7: control characters must be escaped. */
const PLAIN_STRING = /[^"\\\u0000-\u001f]*/y;

/**
 * Parses a whole document.
 * @throws ClipctlError LIMIT_MANIFEST_SIZE when it is longer than `maxBytes`; `options.code` with the path of the field
 * for bad syntax, bad UTF-8, depth, duplicate keys and numbers out of range
 */
export function parseStrictJson(bytes: Uint8Array, options: StrictJsonOptions): JsonValue {
  if (bytes.byteLength > options.maxBytes) throw tooLarge(options, bytes.byteLength);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new ClipctlError(options.code, `${options.what}: not valid UTF-8`, { cause: error });
  }
  return new Reader(text, options).document();
}

/** The error for a document over its cap; also raised before one is downloaded. */
export function tooLarge(options: { what: string; maxBytes: number }, sizeBytes: number): ClipctlError {
  return new ClipctlError(
    'LIMIT_MANIFEST_SIZE',
    `${options.what}: ${sizeBytes} bytes, more than the limit of ${options.maxBytes}`,
    {
      details: { sizeBytes, maxBytes: options.maxBytes },
    },
  );
}

class Reader {
  readonly #text: string;
  readonly #options: StrictJsonOptions;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string, options: StrictJsonOptions) {
    this.#text = text;
    this.#options = options;
  }

  document(): JsonValue {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#error('text after the end of the document');
    return value;
  }

  #value(): JsonValue {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#nested(() => this.#object());
      case '[':
        return this.#nested(() => this.#array());
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #nested<T>(read: () => T): T {
    if (this.#path.length >= MAX_DEPTH) throw this.#error(`nested deeper than ${MAX_DEPTH}`);
    this.#at++;
    return read();
  }

  #object(): JsonObject {
    const object = new Map<string, JsonValue>();
    if (this.#accept('}')) return object;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') throw this.#error('expected a key');
      const key = this.#string();
      this.#path.push(key);
      if (object.has(key)) throw this.#error('duplicate key');
      this.#expect(':');
      object.set(key, this.#value());
      this.#path.pop();
    } while (this.#accept(','));
    this.#expect('}');
    return object;
  }

  #array(): JsonArray {
    const array: JsonValue[] = [];
    if (this.#accept(']')) return array;
    do {
      this.#path.push(array.length);
      array.push(this.#value());
      this.#path.pop();
    } while (this.#accept(','));
    this.#expect(']');
    return array;
  }

  #string(): string {
    const start = this.#at++;
    for (;;) {
      PLAIN_STRING.lastIndex = this.#at;
      PLAIN_STRING.test(this.#text);
      this.#at = PLAIN_STRING.lastIndex;
      const stop = this.#text[this.#at];
      if (stop === '"') break;
      if (stop !== '\\') throw this.#error('unfinished string');
      this.#at += 2;
    }
    this.#at++;
    return this.#unescape(this.#text.slice(start, this.#at));
  }

  #unescape(quoted: string): string {
    if (!quoted.includes('\\')) return quoted.slice(1, -1);
    try {
      return JSON.parse(quoted) as string;
    } catch (error) {
      throw this.#error('bad escape in a string', error);
    }
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const literal = NUMBER.exec(this.#text)?.[0];
    if (literal === undefined) throw this.#error(this.#at < this.#text.length ? 'unexpected character' : 'unexpected end');
    this.#at += literal.length;
    const value = Number(literal);
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw this.#error(`number out of range: ${literal.slice(0, 40)}`);
    }
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('unexpected character');
    this.#at += word.length;
    return value;
  }

  #accept(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#accept(character)) throw this.#error(`expected ${character}`);
  }

  #skipSpace(): void {
    for (let c = this.#text.charCodeAt(this.#at); c === 32 || c === 10 || c === 13 || c === 9;) {
      c = this.#text.charCodeAt(++this.#at);
    }
  }

  #error(problem: string, cause?: unknown): ClipctlError {
    const field = formatFieldPath(this.#path);
    const where = field === '' ? '' : ` ${field}:`;
    return new ClipctlError(this.#options.code, `${this.#options.what}:${where} ${problem} (at character ${this.#at})`, {
      cause,
      details: { field },
    });
  }
}

const PLAIN_KEY = /^[A-Za-z0-9_$-]{1,64}$/;

/** `layers[2].digest`; keys that are no plain words, which are attacker data, appear quoted and cut. */
export function formatFieldPath(path: readonly (string | number)[]): string {
  const parts = path.map((part) => {
    if (typeof part === 'number') return `[${part}]`;
    return PLAIN_KEY.test(part) ? `.${part}` : `[${quoted(part)}]`;
  });
  const text = parts.join('');
  return text.startsWith('.') ? text.slice(1) : text;
}

function quoted(key: string): string {
  // JSON.stringify leaves C1 and bidi controls as they are; a terminal must not see them.
  return JSON.stringify(key.slice(0, 64)).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
