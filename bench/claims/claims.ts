import type { Claim } from '../claim.ts';
import { cacheVerify } from './cache-verify.ts';
import { checkpoints } from './checkpoints.ts';
import { durability } from './durability.ts';
import { indexImage, indexLayer } from './index-image.ts';
import { indexSize } from './index-size.ts';
import { inflate } from './inflate.ts';
import { memory } from './memory.ts';
import { push } from './push.ts';
import { remotes } from './remotes.ts';
import { s3 } from './s3.ts';
import { spans } from './spans.ts';
import { tarScan } from './tar-scan.ts';
import { warm } from './warm.ts';
import { warmAgain } from './warm-again.ts';
import { warmClip } from './warm-clip.ts';
import { zstd } from './zstd.ts';

/** In the order in which the table shows them. */
export const CLAIMS: readonly Claim[] = [
  inflate,
  checkpoints,
  spans,
  tarScan,
  zstd,
  indexLayer,
  indexImage,
  warm,
  warmAgain,
  durability,
  cacheVerify,
  s3,
  remotes,
  warmClip,
  indexSize,
  memory,
  push,
];
