/** What undici and the sockets throw, as errors of ours. */
import { ClipctlError } from '../errors.ts';

const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
]);

const CERTIFICATES: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** What OpenSSL says of an answer in plain HTTP. */
const NO_TLS: ReadonlySet<string> = new Set(['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']);

/** Trying these again changes nothing. */
const PERMANENT: ReadonlySet<string> = new Set([...CERTIFICATES, ...NO_TLS, 'ENOTFOUND']);

/**
 * Wraps a failed exchange with `url`: TIMEOUT or NETWORK, retryable or not. An abort stays what it is.
 */
export function networkError(error: unknown, url: URL, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof ClipctlError) return error;
  const code = networkCodeOf(error);
  const { host } = url;
  const details = { host, reason: code };
  if (TIMEOUTS.has(code)) {
    return new ClipctlError('TIMEOUT', `${host}: no byte came for too long (${code})`, {
      cause: error,
      details,
      hint: 'Check the connection, or allow more time with --timeout.',
    });
  }
  return new ClipctlError('NETWORK', `cannot talk to ${host}: ${code}`, {
    cause: error,
    details,
    hint: hintFor(code, url),
    retryable: !PERMANENT.has(code) && !code.startsWith('HPE_'),
  });
}

/** The code of the innermost cause that has one: `ECONNREFUSED`, `UND_ERR_SOCKET`, … */
export function networkCodeOf(error: unknown): string {
  let code = 'unknown';
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    if ('code' in current && typeof current.code === 'string') code = current.code;
  }
  return code;
}

function hintFor(code: string, { host, protocol }: URL): string {
  if (CERTIFICATES.has(code)) {
    return `The certificate of ${host} is not trusted: pass its authority with --ca-file, or --insecure-registry ${host}.`;
  }
  if (protocol === 'https:' && NO_TLS.has(code)) {
    return `${host} does not speak TLS: if plain HTTP is meant, pass --insecure-registry ${host}.`;
  }
  // Plain HTTP is what a port that wants TLS breaks off, or answers with what is no HTTP.
  if (protocol === 'http:' && (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code.startsWith('HPE_'))) {
    return `${host} was spoken to in plain HTTP: if it wants TLS, pass --insecure-registry ${host}, which tries that first.`;
  }
  if (code === 'ENOTFOUND') return 'Check the name of the host.';
  return 'Check that the server runs and can be reached from here.';
}
