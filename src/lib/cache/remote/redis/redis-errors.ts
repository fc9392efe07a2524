/** What a Redis server or the connection to it says, as errors of ours. What the client throws is not kept: it quotes commands. */
import { ClipctlError, type ErrorCode } from '../../../errors.ts';
import { escapeUntrusted } from '../../../http/escape-untrusted.ts';

const MAX_CODE_CHARS = 32;

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable?: boolean;
}

const LOGIN = 'Set CLIPCTL_REDIS_USERNAME and CLIPCTL_REDIS_PASSWORD, or write them into the URL.';
const BUSY: Meaning = { code: 'NETWORK', hint: 'The server is busy with itself: try again later.', retryable: true };

/** The first word of an error reply is its code (Redis protocol, "Simple errors"). */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  NOAUTH: { code: 'UNAUTHORIZED', hint: LOGIN },
  WRONGPASS: { code: 'UNAUTHORIZED', hint: LOGIN },
  NOPERM: { code: 'FORBIDDEN', hint: 'This user may not run a command or touch keys that begin with clipctl: there.' },
  DENIED: {
    code: 'FORBIDDEN',
    hint: 'The server is in protected mode: give it a password, or let it listen on the loopback only.',
  },
  READONLY: { code: 'FORBIDDEN', hint: 'It is a replica that may only be read: name the primary.' },
  OOM: { code: 'REMOTE_FAILED', hint: 'The server has no memory left: raise its maxmemory, or let it evict (maxmemory-policy).' },
  MISCONF: { code: 'REMOTE_FAILED', hint: 'The server cannot write its snapshots: see its log, or run it with --save "".' },
  MOVED: {
    code: 'REMOTE_FAILED',
    hint: 'It is a node of a Redis Cluster, which is not supported: name a single server or a proxy.',
  },
  LOADING: BUSY,
  BUSY,
  TRYAGAIN: BUSY,
  MASTERDOWN: BUSY,
};

/** @param reply the error line, without its dash; it may quote what was sent, so only its code is shown */
export function replyError(reply: string, name: string, command: string): ClipctlError {
  const code = /^[A-Z][A-Z0-9]*/.exec(reply)?.[0].slice(0, MAX_CODE_CHARS) ?? 'ERR';
  const meaning = MEANINGS[code] ?? { code: 'REMOTE_FAILED', hint: 'See the log of the server.' };
  const { hint, retryable = false } = meaning;
  const message = `${name} answered ${escapeUntrusted(code)} to ${command}`;
  return new ClipctlError(meaning.code, message, { hint, retryable, details: { host: name, reply: code } });
}

/** It answered, but with something else than the command gives. */
export function unexpectedReply(name: string, command: string): ClipctlError {
  return new ClipctlError('REMOTE_FAILED', `${name} answered ${command} with something else than Redis does`, {
    details: { host: name },
    hint: 'Check that a Redis server answers there.',
  });
}
