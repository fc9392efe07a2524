/** S3Proxy, the S3 server of the tests: its jars come from Maven Central, once, through Debian's mvn. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from './run.js';

const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));
const FILES = join(ROOT, 'test/servers/s3proxy');
/** The configuration that keeps it silent. */
export const S3PROXY_LOGBACK = join(FILES, 'logback.xml');
const POM = join(FILES, 'pom.xml');
const CLASSPATH = join(ROOT, 'node_modules/.cache/clipctl/s3proxy-4.1.0.classpath');
const GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath';

/**
 * The class path to start it with; undefined while the jars are not here.
 * @returns {string | undefined}
 */
export function s3ProxyClasspath() {
  if (!existsSync(CLASSPATH)) return undefined;
  const classpath = readFileSync(CLASSPATH, 'utf8').trim();
  return classpath.split(delimiter).every((path) => existsSync(path)) ? classpath : undefined;
}

/** Fetches the jars (57 MB) when they are not here. */
export async function provideS3Proxy() {
  if (s3ProxyClasspath() !== undefined) return;
  process.stderr.write('fetching S3Proxy (mvn) ...\n');
  await mkdir(dirname(CLASSPATH), { recursive: true });
  const temporary = `${CLASSPATH}.${process.pid}`;
  await mustRun('mvn', ['-q', '-B', '-f', POM, GOAL, `-Dmdep.outputFile=${temporary}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await rename(temporary, CLASSPATH);
}

/**
 * The checkout: this file is also bundled into the benchmarks, which lie deeper.
 * @param {string} folder
 * @returns {string}
 */
function findRoot(folder) {
  return existsSync(join(folder, 'package.json')) || dirname(folder) === folder ? folder : findRoot(dirname(folder));
}
