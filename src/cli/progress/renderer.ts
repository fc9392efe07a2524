import type { ProgressEvent } from '../../lib/pipeline/progress.ts';

/** What draws progress events. */
export interface ProgressRenderer {
  onEvent(event: ProgressEvent): void;
  /** Prints a warning (redacted, not escaped) without tearing what is drawn. */
  warn(message: string): void;
  /** Removes what moves, restores the cursor, stops all timers. Safe to call twice. */
  stop(): void;
}
