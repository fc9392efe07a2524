/**
 * Programs that keep credentials: `docker-credential-NAME get`, the registry on stdin, JSON on stdout (docker's credential
 * helper protocol). The name comes from a file and the answer from a program, so neither is trusted with more than it needs.
 */
import { spawn } from 'node:child_process';
import { ClipctlError } from '../errors.ts';
import { FieldReader } from '../oci/json-fields.ts';
import { parseStrictJson } from '../oci/strict-json.ts';
import type { Credentials } from './credentials.ts';

const HELPER_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** A host with a port, or Docker Hub's historic address: nothing that could become a second line of the request. */
const SERVER_ADDRESS = /^[A-Za-z0-9.:[\]/_-]{1,512}$/;
const MAX_ANSWER_BYTES = 64 * 1024;
const HELPER_TIMEOUT_MS = 10_000;
/** What the reference helpers say, with exit code 1, for "there are none". */
const NOT_FOUND = 'credentials not found in native keychain';
/** The name under which a helper hands out an identity token. */
const TOKEN_USERNAME = '<token>';

export interface ProgramRequest {
  /** NAME of `docker-credential-NAME`. */
  readonly helper: string;
  /** As docker writes it: the host, or `https://index.docker.io/v1/`. */
  readonly serverAddress: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/**
 * Asks a credential helper.
 * @returns undefined when it has none for the registry, 'missing' when there is no such program
 * @throws ClipctlError CREDENTIAL_HELPER_FAILED; it quotes nothing that the helper wrote
 */
export async function askCredentialProgram(request: ProgramRequest): Promise<Credentials | 'missing' | undefined> {
  const { helper, serverAddress } = request;
  if (!HELPER_NAME.test(helper)) throw failed(helper, 'that is no name of a credential helper');
  if (!SERVER_ADDRESS.test(serverAddress)) throw failed(helper, 'the registry has no usable name');
  const answer = await run(request);
  if (answer === 'missing') return 'missing';
  if (answer.output.toString('utf8').trim() === NOT_FOUND) return undefined;
  if (answer.exitCode !== 0) throw failed(helper, `it ended with exit code ${answer.exitCode}`);
  return readAnswer(helper, answer.output);
}

interface Answer {
  readonly output: Buffer;
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
}

function run({ helper, serverAddress, environment, timeoutMs = HELPER_TIMEOUT_MS }: ProgramRequest): Promise<Answer | 'missing'> {
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${helper}`, ['get'], {
      env: { ...environment },
      shell: false,
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    const pieces: Buffer[] = [];
    let bytes = 0;
    const stop = (problem: string): void => {
      reject(failed(helper, problem));
      killGroup(child.pid);
      child.stdout.destroy();
    };
    const timer = setTimeout(() => stop(`it did not answer within ${timeoutMs / 1000} s`), timeoutMs);
    child.stdout.on('data', (piece: Buffer) => {
      bytes += piece.byteLength;
      if (bytes > MAX_ANSWER_BYTES) stop(`it wrote more than ${MAX_ANSWER_BYTES} bytes`);
      else pieces.push(piece);
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      if ('code' in error && error.code === 'ENOENT') resolve('missing');
      else reject(failed(helper, 'it could not be started', error));
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ output: Buffer.concat(pieces), exitCode });
    });
    // A helper that reads nothing closes its end: its exit code says what that means.
    child.stdin.on('error', () => undefined);
    child.stdin.end(serverAddress);
  });
}

/** A helper that hangs may have started others: they go with it. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function readAnswer(helper: string, output: Buffer): Credentials | undefined {
  const options = {
    what: `answer of docker-credential-${helper}`,
    code: 'CREDENTIAL_HELPER_FAILED',
    maxBytes: MAX_ANSWER_BYTES,
  } as const;
  const answer = new FieldReader(parseStrictJson(output, options), options);
  const username = answer.optionalString('Username') ?? '';
  const secret = answer.optionalString('Secret') ?? '';
  if (secret === '') return undefined;
  return username === TOKEN_USERNAME ? { identityToken: secret } : { username, password: secret };
}

function failed(helper: string, problem: string, cause?: unknown): ClipctlError {
  const shown = JSON.stringify(helper.slice(0, 64));
  return new ClipctlError('CREDENTIAL_HELPER_FAILED', `credential helper ${shown}: ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'See credsStore and credHelpers in the docker configuration, or pass --username and --password-stdin.',
  });
}
