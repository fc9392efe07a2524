import type { MemoryFigures } from '../../lib/operations/results.ts';
import { formatSize } from '../format.ts';

/** `, 24.0 MiB buffered at most`, for the end of a summary; empty when nothing was. */
export function renderMemory(figures: MemoryFigures): string {
  return figures.peakBufferedBytes === 0 ? '' : `, ${formatSize(figures.peakBufferedBytes)} buffered at most`;
}
