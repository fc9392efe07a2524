/** One of those who do the same work side by side: a command, run as a process of its own. */
export interface Contestant {
  /** As the table names it. */
  readonly name: string;
  /** It is clipctl, or a part of it. */
  readonly isOurs?: boolean;
  /** Program and arguments; `folder` is empty, its own, and removed after the run. */
  readonly command: (folder: string) => readonly string[];
  /** What it prints is dropped, not read as a report. */
  readonly printsData?: boolean;
}

/**
 * The JSON that a program may print. Programs of ours time the work itself, without the start of their process, as
 * nobody starts a process for each layer; of other programs the whole process counts, which starts in 1 to 5 ms.
 */
export interface Report {
  readonly cpuMs?: number;
  readonly wallMs?: number;
  /** Decompressed bytes that came out. */
  readonly outputBytes?: number;
  readonly [figure: string]: unknown;
}

/** One run of a contestant. */
export interface Sample {
  /** User and system time of the work. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** User and system time of the whole process and its children (wait4). */
  readonly processCpuMs: number;
  /** The most resident memory (wait4); undefined without GNU time. */
  readonly peakRssBytes: number | undefined;
  readonly report: Report;
}

/** A contestant that this machine does not have. */
export interface Missing {
  readonly name: string;
  readonly reason: string;
}
