/** The kernel as the host sees it: src/lib/compression/gzip/inflate-kernel.ts is its only caller. */
export { initialize, reset, resetInside, run } from './inflate';
export { keepWindow, markWindow, packWindow, trimWindow } from './pack-window';
export {
  BLOCK_HEADER,
  HISTORY_BYTES,
  INPUT,
  INPUT_BYTES,
  KEPT_END,
  MEMORY_BYTES,
  OUTPUT,
  OUTPUT_BYTES,
  PACKED,
  SECOND_OUTPUT,
  STATE_HEADER_BIT,
  STATE_HEADER_BITS,
  STATE_OUT,
  STATE_POSITION,
} from './layout';
