/**
 * Which host keeps a content: the one that scores highest for it (rendezvous hashing), so that a host that comes or goes
 * moves only its own share. The score is the CRC-32C of key and host id, as the Go client of BlobCache has it: both look
 * in the same place.
 */

/** CRC-32C (RFC 3720 §B.4), reflected. */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
  return remainder >>> 0;
});

/** The host for `key`; among equals the one whose id sorts first. `undefined` of none. */
export function hostFor<Host extends { readonly id: string }>(key: string, hosts: readonly Host[]): Host | undefined {
  let best: { readonly host: Host; readonly score: number } | undefined;
  for (const host of hosts) {
    const score = crc32c(Buffer.from(key + host.id, 'utf8'));
    const isBetter = best === undefined || score > best.score || (score === best.score && host.id < best.host.id);
    if (isBetter) best = { host, score };
  }
  return best?.host;
}

function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) remainder = (remainder >>> 8) ^ TABLE[(remainder ^ byte) & 0xff]!;
  return (remainder ^ 0xffffffff) >>> 0;
}
