/** A result of `verify` with every field filled in. */
import type { VerifyResult } from '../../src/lib/operations/verify-results.ts';
import { digestOf } from './documents.ts';

export const VERIFIED: VerifyResult = {
  image: 'ghcr.io/acme/shop:2.4',
  platform: 'linux/amd64',
  kind: 'image',
  images: [{ platform: 'linux/amd64', manifestDigest: digestOf('a'), layers: 2 }],
  checked: { layers: 2, bytes: 29_125_022, entries: 3319, checkpoints: 19 },
  problems: [
    {
      code: 'DUPLICATE_PATH',
      severity: 'error',
      where: `layer ${digestOf('1')} /a\u001b[31m`,
      message: 'the path is in the layer twice',
    },
    {
      code: 'MEDIA_TYPE_MISMATCH',
      severity: 'warning',
      where: `layer ${digestOf('2')}`,
      message: 'its media type means zstd, its bytes are gzip',
    },
  ],
  ok: false,
  durationMs: 2140,
  peakBufferedBytes: 25_165_824,
  peakRssBytes: 125_829_120,
  warnings: [],
};
