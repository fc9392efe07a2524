/**
 * The part of JSON Schema (draft-07) that schemas/*.json use. Unlike a full validator it refuses a keyword that it
 * does not know, and a field that the schema does not describe: a document and its schema can't drift apart.
 */
import { readFileSync } from 'node:fs';

export type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS = new Set(['$schema', '$id', 'title', 'description']);

/** A value, where it stands, and the schema whose keyword is checked. */
interface Subject {
  readonly value: unknown;
  readonly at: string;
  readonly schema: Schema;
}

const CHECKS: Readonly<Record<string, (subject: Subject, rule: unknown) => string[]>> = {
  type: ({ value, at }, rule) =>
    [rule].flat().includes(typeOf(value, rule)) ? [] : [`${at}: expected ${String(rule)}, got ${JSON.stringify(value)}`],
  const: ({ value, at }, rule) => (value === rule ? [] : [`${at}: expected ${JSON.stringify(rule)}`]),
  enum: ({ value, at }, rule) =>
    (rule as unknown[]).includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is none of ${String(rule)}`],
  minimum: ({ value, at }, rule) => (typeof value !== 'number' || value >= Number(rule) ? [] : [`${at}: ${value} is too small`]),
  pattern: ({ value, at }, rule) =>
    typeof value !== 'string' || new RegExp(String(rule)).test(value) ? [] : [`${at}: ${value} does not match`],
  items: ({ value, at }, rule) =>
    Array.isArray(value) ? value.flatMap((item, index) => check(item, rule as Schema, `${at}[${index}]`)) : [],
  required: ({ value, at }, rule) =>
    (rule as string[]).filter((name) => !isObject(value) || !(name in value)).map((name) => `${at}.${name}: missing`),
  properties: checkProperties,
  // With `properties` the fields were checked there already.
  additionalProperties: (subject) => ('properties' in subject.schema ? [] : checkProperties(subject)),
};

/** What is wrong with `value`, one line each; empty when nothing is. */
export function check(value: unknown, schema: Schema, at = '$'): string[] {
  return Object.entries(schema)
    .filter(([keyword]) => !ANNOTATIONS.has(keyword))
    .flatMap(([keyword, rule]) => CHECKS[keyword]?.({ value, at, schema }, rule) ?? [`${at}: unknown keyword ${keyword}`]);
}

export function readSchema(name: string): Schema {
  return JSON.parse(readFileSync(new URL(`../../schemas/${name}.schema.json`, import.meta.url), 'utf8')) as Schema;
}

function checkProperties({ value, at, schema }: Subject): string[] {
  if (!isObject(value)) return [];
  const known = (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const others = schema['additionalProperties'] as Schema | undefined;
  return Object.entries(value).flatMap(([name, field]) => {
    const rule = Object.hasOwn(known, name) ? known[name] : others;
    return rule === undefined ? [`${at}.${name}: not in the schema`] : check(field, rule, `${at}.${name}`);
  });
}

function typeOf(value: unknown, rule: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  return Number.isSafeInteger(value) && [rule].flat().includes('integer') ? 'integer' : typeof value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
