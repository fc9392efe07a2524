import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readImageList } from '../../../src/lib/source/image-list/read-image-list.ts';
import { substitute } from '../../../src/lib/source/image-list/variables.ts';

const signal = new AbortController().signal;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clipctl-image-list-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(
  name: string,
  text: string | Uint8Array,
  environment: Record<string, string> = {},
): Promise<readonly string[]> {
  const path = join(folder, name);
  await writeFile(path, text);
  return readImageList(path, { stdin: Readable.from([]), environment, signal });
}

function readStdin(text: string): Promise<readonly string[]> {
  return readImageList('-', { stdin: Readable.from([Buffer.from(text)]), environment: {}, signal });
}

describe('a list', () => {
  test('has one image a line; comments and blank lines are left out, repeats count once', async () => {
    const text = '# base\nalpine:3.20\n\n  ghcr.io/org/app:v2   # the app\r\nalpine:3.20\noci:./dir#1:v1\n';
    expect(await read('images.txt', text)).toEqual(['alpine:3.20', 'ghcr.io/org/app:v2', 'oci:./dir#1:v1']);
  });

  test('with two names in a line is USAGE and says which line', async () => {
    await expect(read('two.txt', 'alpine\nalpine busybox\n')).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('line 2') as string,
    });
  });
});

describe('Kubernetes manifests and compose files', () => {
  test('give the image of every container, in any wrapping and in all documents', async () => {
    const text = `apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{name: i, image: "busybox:1.36"}]
      containers:
        - name: app
          image: ghcr.io/org/app@sha256:${'a'.repeat(64)}
        - {name: side, image: busybox:1.36}
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: "job:1"}]}}}}}
---
# nothing
`;
    expect(await read('pods.yaml', text)).toEqual(['busybox:1.36', `ghcr.io/org/app@sha256:${'a'.repeat(64)}`, 'job:1']);
    expect(await readStdin(text)).toEqual(await read('pods.yml', text));
  });

  test('of compose have their variables replaced; one without a value is USAGE', async () => {
    const text = 'services:\n  a: {image: "${REG:-docker.io}/a:${TAG}"}\n  b: {build: .}\n  c:\n    image: c\n';
    expect(await read('compose.yaml', text, { TAG: 'v1' })).toEqual(['docker.io/a:v1', 'c']);
    await expect(read('compose.yaml', text)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('TAG') as string,
    });
  });

  test('as JSON are read too', async () => {
    expect(await readStdin('{"kind":"Pod","spec":{"containers":[{"image":"a:1"}]}}')).toEqual(['a:1']);
  });

  test('whose `image` is an object, as in the values of a chart, are looked into', async () => {
    await expect(read('values.yaml', 'image: {repository: a, tag: b}\n')).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('a Dockerfile', () => {
  test('gives its base images, not its stages and not scratch', async () => {
    const text = `# syntax=docker/dockerfile:1
ARG VERSION=3.20
ARG BASE="alpine:\${VERSION}"
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
RUN go build \\
  # a comment in between
  ./...
FROM \${BASE} as tools
FROM scratch
COPY --from=build /app /app
COPY --from=0 /x /x
COPY --from=busybox:1.36 /bin/sh /sh
FROM tools
`;
    expect(await read('Dockerfile', text)).toEqual(['golang:1.26', 'alpine:3.20', 'busybox:1.36']);
    expect(await read('app.dockerfile', text, { VERSION: '3.21' })).toContain('alpine:3.21');
    expect(await readStdin(text)).toEqual(['golang:1.26', 'alpine:3.20', 'busybox:1.36']);
  });

  test('with an ARG that has no value is USAGE', async () => {
    await expect(read('Dockerfile.x', 'ARG BASE\nFROM $BASE\n')).rejects.toMatchObject({ code: 'USAGE' });
    expect(await read('Dockerfile.y', 'ARG BASE\nFROM $BASE\n', { BASE: 'debian:12' })).toEqual(['debian:12']);
  });
});

describe('a file that is wrong', () => {
  test.each([
    ['empty.txt', ''],
    ['broken.yaml', 'a: [b\nimage: x'],
    ['binary.txt', Buffer.from([0xff, 0xfe, 0x00, 0x61])],
    ['deep.yaml', `${'['.repeat(500)}${']'.repeat(500)}`],
  ])('%s is USAGE', async (name, text) => {
    await expect(read(name, text)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('whose aliases multiply is refused within a moment', async () => {
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
    for (let i = 1; i < 12; i++) {
      const [name, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      lines.push(`${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(',')}]`);
    }
    const startedAt = performance.now();
    await expect(read('bomb.yaml', lines.join('\n'))).rejects.toMatchObject({ code: 'USAGE' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  test('over 4 MiB is refused, missing is FILE_NOT_FOUND', async () => {
    await expect(read('large.txt', 'a\n'.repeat(3_000_000))).rejects.toMatchObject({ code: 'USAGE' });
    const options = { stdin: Readable.from([]), environment: {}, signal };
    await expect(readImageList(join(folder, 'nope'), options)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('what BuildKit reads in a Dockerfile', () => {
  test('heredocs are no instructions, and mounts name images', async () => {
    const lines = [
      'FROM r.io/base:1 AS build',
      'RUN <<EOF',
      'SELECT *',
      'FROM users',
      'EOF',
      'COPY <<-"END" /x',
      'FROM orders',
      '\tEND',
      'RUN --mount=type=cache,target=/c --mount=type=bind,from=r.io/tools:2,target=/t true',
      'RUN --mount=type=bind,from=build,target=/b --mount=from=r.io/more:3 true',
      'FROM r.io/last:4',
    ];
    expect(await read('Dockerfile', lines.join('\n'))).toEqual(['r.io/base:1', 'r.io/tools:2', 'r.io/more:3', 'r.io/last:4']);
  });
});

describe('variables', () => {
  test('take values, defaults, nested defaults and $$', () => {
    const variables = (name: string): string | undefined => ({ A: 'a', EMPTY: '' })[name];
    expect(substitute('$A-${A}-${B:-b}-${B-${A}}-$$A', variables)).toBe('a-a-b-a-$A');
    expect(substitute('${EMPTY:-x}${EMPTY-y}', variables)).toBe('x');
    expect(substitute('${B}', variables)).toEqual({ missing: 'B' });
  });

  // RELIABILITY 1.3 row 30
  test('row 30: any string is read in linear time, and one without $ stays as it is', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof substitute(text.replaceAll('$', ''), () => undefined) === 'string'));
    const startedAt = performance.now();
    for (const piece of ['${', '$', '${A:-', '{', '$$']) substitute(piece.repeat(2_000), () => undefined);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});

test('what is no YAML is USAGE and says at which line and column', async () => {
  await expect(read('wrong.yaml', 'services:\n  app:\n    image: "alpine\n')).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/it is no YAML: .* at line 4, column 1/) as string,
  });
});

// A recursive reader at the end of the stack may end the whole process, not only itself.
test.each(['[', '{', '- ', '? ', '[*a,'])('50,000 times %j is nested too deep, or no YAML', async (piece) => {
  await expect(read('deep.yaml', piece.repeat(50_000))).rejects.toMatchObject({ code: 'USAGE' });
});
