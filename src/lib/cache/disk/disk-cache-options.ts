import type { BufferBudget } from '../buffer-budget.ts';
import type { FileHash } from '../hash-file.ts';
import type { RoomOptions } from './cache-room.ts';
import type { Durability } from './ingest-file.ts';
import type { UseClockOptions } from './use-clock.ts';

export interface DiskCacheOptions extends Omit<RoomOptions, 'clock' | 'lease' | 'turns'>, UseClockOptions {
  /** Lends the buffers that verifyLayer hashes with. */
  readonly budget: BufferBudget;
  /** Hashes layers elsewhere: in worker threads, on all cores. Default: here. */
  readonly hashFile?: FileHash;
  /** Of a group: the directory is made for it, and may belong to another member. */
  readonly shared?: boolean;
  /** `none`: no flush; a power loss may leave wrong files, which `verify` finds. Default `full`. */
  readonly durability?: Durability;
  /** `lease` leaves the kernel's locks out. Default `auto`. */
  readonly locks?: 'auto' | 'lease';
  /** Waiting for another process ends with LOCK_TIMEOUT after so long; default: as long as it lives. */
  readonly lockTimeoutMs?: number;
}
