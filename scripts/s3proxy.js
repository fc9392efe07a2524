/** S3Proxy, the S3 server of the tests: its jars come from Maven Central, once, through Debian's mvn. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { ROOT } from './root.js';
import { mustRun } from './run.js';

const POM = join(ROOT, 'test/servers/s3proxy/pom.xml');
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
