/** The kernel as the host sees it: src/lib/compression/gzip/inflate-kernel.ts is its only caller. */
export { initialize, reset, resetInside, run } from './inflate';
export {
  BLOCK_HEADER,
  HISTORY_BYTES,
  INPUT,
  INPUT_BYTES,
  OUTPUT,
  OUTPUT_BYTES,
  STATE_HEADER_BIT,
  STATE_HEADER_BITS,
  STATE_OUT,
  STATE_POSITION,
} from './layout';
