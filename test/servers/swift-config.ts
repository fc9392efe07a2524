/** Configuration of a Debian swift that serves S3 from one directory of this machine. */
import { join } from 'node:path';

export interface SwiftPorts {
  readonly proxy: number;
  readonly account: number;
  readonly container: number;
  readonly object: number;
  readonly memcached: number;
}

export interface SwiftInput {
  readonly directory: string;
  readonly ports: SwiftPorts;
  /** Whom the servers run as. */
  readonly user: string;
  readonly login: { readonly account: string; readonly name: string; readonly key: string };
}

/** The three kinds of storage servers. */
export const STORAGE_KINDS = ['account', 'container', 'object'] as const;
export type StorageKind = (typeof STORAGE_KINDS)[number];

export function storageConfig(kind: StorageKind, { directory, ports, user }: SwiftInput): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${ports[kind]}
workers = 1
user = ${user}
swift_dir = ${directory}
devices = ${join(directory, 'devices')}
mount_check = false
log_level = CRITICAL
[pipeline:main]
pipeline = ${kind}-server
[app:${kind}-server]
use = egg:swift#${kind}
[${kind}-replicator]
`;
}

export function proxyConfig({ directory, ports, user, login }: SwiftInput): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${ports.proxy}
workers = 1
user = ${user}
swift_dir = ${directory}
log_level = CRITICAL
[pipeline:main]
pipeline = catch_errors cache listing_formats bulk s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${ports.memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
max_upload_part_num = 10000
location = us-east-1
check_bucket_owner = false
[filter:tempauth]
use = egg:swift#tempauth
user_${login.account}_${login.name} = ${login.key} .admin
[filter:slo]
use = egg:swift#slo
`;
}
