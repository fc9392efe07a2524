import type { DiffId } from './digest.ts';

/** OCI image specification, config.md: the fields clipctl uses, checked. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly author?: string;
  /** RFC 3339 as written. */
  readonly created?: string;
  readonly dockerVersion?: string;
  readonly diffIds: readonly DiffId[];
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly entrypoint: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal: string;
  /** `created_by` of each history step that made a layer, in layer order, as far as the history says. */
  readonly createdBy: readonly (string | undefined)[];
}
