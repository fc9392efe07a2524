/** Reads typed fields out of strict JSON; every refusal names the field by its path. */
import { ClipctlError, type ErrorCode } from '../errors.ts';
import { isPlatformPart } from './platform.ts';
import { formatFieldPath, type JsonArray, type JsonObject, type JsonValue } from './strict-json.ts';

/** A JSON object together with where it stands and what to raise. `null` counts as absent, as Go's decoder has it. */
export class FieldReader {
  readonly object: JsonObject;
  readonly #what: string;
  readonly #code: ErrorCode;
  readonly #path: readonly (string | number)[];

  constructor(value: JsonValue, options: { what: string; code: ErrorCode; path?: readonly (string | number)[] }) {
    this.#what = options.what;
    this.#code = options.code;
    this.#path = options.path ?? [];
    if (!(value instanceof Map)) throw this.#wrong(this.#path, 'an object', value);
    this.object = value;
  }

  has(key: string): boolean {
    return (this.object.get(key) ?? null) !== null;
  }

  /** `manifest sha256:…: layers[2].digest`, for messages about one field. */
  where(key: string): string {
    return `${this.#what}: ${formatFieldPath([...this.#path, key])}`;
  }

  /** An error about one field. */
  error(key: string, problem: string): ClipctlError {
    return this.#error([...this.#path, key], problem);
  }

  string(key: string): string {
    return this.optionalString(key) ?? this.#missing(key);
  }

  optionalString(key: string): string | undefined {
    const value = this.object.get(key) ?? undefined;
    if (value !== undefined && typeof value !== 'string') throw this.#wrong([...this.#path, key], 'a string', value);
    return value;
  }

  /** Part of a platform: letters, digits, `_`, `.` and `-`; undefined when absent or empty. */
  platformPart(key: string): string | undefined {
    const text = this.optionalString(key) ?? '';
    if (text === '') return undefined;
    if (!isPlatformPart(text)) throw this.error(key, 'is no part of a platform name');
    return text;
  }

  /** A size or count: an integer ≥ 0. */
  count(key: string): number {
    const value = this.object.get(key) ?? this.#missing(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || Object.is(value, -0)) {
      throw this.#wrong([...this.#path, key], 'an integer of 0 or more', value);
    }
    return value;
  }

  optionalBoolean(key: string): boolean | undefined {
    const value = this.object.get(key) ?? undefined;
    if (value !== undefined && typeof value !== 'boolean') throw this.#wrong([...this.#path, key], 'true or false', value);
    return value;
  }

  child(key: string): FieldReader {
    return this.optionalChild(key) ?? this.#missing(key);
  }

  optionalChild(key: string): FieldReader | undefined {
    const value = this.object.get(key) ?? undefined;
    return value === undefined ? undefined : this.#reader(value, [...this.#path, key]);
  }

  /** The objects of an array; absent = none. */
  children(key: string): readonly FieldReader[] {
    return this.#array(key).map((value, at) => this.#reader(value, [...this.#path, key, at]));
  }

  /** The strings of an array; absent = none. */
  strings(key: string): readonly string[] {
    return this.#array(key).map((value, at) => {
      if (typeof value !== 'string') throw this.#wrong([...this.#path, key, at], 'a string', value);
      return value;
    });
  }

  /** An object of strings; absent = empty. */
  stringMap(key: string): ReadonlyMap<string, string> {
    const map = new Map<string, string>();
    for (const [name, value] of this.optionalChild(key)?.object ?? []) {
      if (typeof value !== 'string') throw this.#wrong([...this.#path, key, name], 'a string', value);
      map.set(name, value);
    }
    return map;
  }

  /** The keys of an object that is used as a set; absent = none. */
  keys(key: string): readonly string[] {
    return [...(this.optionalChild(key)?.object.keys() ?? [])];
  }

  #array(key: string): JsonArray {
    const value = this.object.get(key) ?? [];
    if (!Array.isArray(value)) throw this.#wrong([...this.#path, key], 'an array', value);
    return value as JsonArray;
  }

  #reader(value: JsonValue, path: readonly (string | number)[]): FieldReader {
    return new FieldReader(value, { what: this.#what, code: this.#code, path });
  }

  #missing(key: string): never {
    throw this.error(key, 'is missing');
  }

  #wrong(path: readonly (string | number)[], wanted: string, value: JsonValue): ClipctlError {
    return this.#error(path, `must be ${wanted}, not ${describe(value)}`);
  }

  #error(path: readonly (string | number)[], problem: string): ClipctlError {
    const field = formatFieldPath(path);
    return new ClipctlError(this.#code, `${this.#what}: ${field === '' ? 'the document' : field} ${problem}`, {
      details: { field },
    });
  }
}

function describe(value: JsonValue): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
