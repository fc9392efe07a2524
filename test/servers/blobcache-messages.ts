/** The messages of blobcache.proto, as its loader gives them. */

export interface ContentAsked {
  readonly hash: string;
  readonly offset: number;
  readonly length: number;
}

export interface ContentGiven {
  readonly ok: boolean;
  readonly content: Buffer;
}

export interface ContentSent {
  readonly content: Buffer;
}

export interface HashAsked {
  readonly hash: string;
}

export interface HashFound {
  readonly ok: boolean;
  readonly hash: string;
}

export interface HostsAsked {
  readonly locality: string;
}

export interface ServerHost {
  readonly host_id: string;
  readonly addr: string;
  readonly private_ip_addr?: string;
}

export interface HostsGiven {
  readonly ok: boolean;
  readonly hosts: readonly ServerHost[];
}
