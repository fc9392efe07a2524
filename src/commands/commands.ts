/** All commands by id; bundled to dist/commands.js, which package.json names to oclif. */
import type { Command } from '@oclif/core';
import { commands as helpPlugin } from '@oclif/plugin-help';
import { CacheDuCommand } from './cache/du.ts';
import { CacheLsCommand } from './cache/ls.ts';
import { CachePathCommand } from './cache/path.ts';
import { CachePinCommand } from './cache/pin.ts';
import { CachePruneCommand } from './cache/prune.ts';
import { CacheRepairCommand } from './cache/repair.ts';
import { CacheUnpinCommand } from './cache/unpin.ts';
import { CacheVerifyCommand } from './cache/verify.ts';
import { DoctorCommand } from './doctor.ts';
import { IndexCommand } from './index/index.ts';
import { InspectCommand } from './inspect.ts';
import { PushCacheCommand } from './push-cache.ts';
import { VerifyCommand } from './verify.ts';
import { WarmCommand } from './warm.ts';

export const COMMANDS: Readonly<Record<string, Command.Class>> = {
  'cache:du': CacheDuCommand,
  'cache:ls': CacheLsCommand,
  'cache:path': CachePathCommand,
  'cache:pin': CachePinCommand,
  'cache:prune': CachePruneCommand,
  'cache:repair': CacheRepairCommand,
  'cache:unpin': CacheUnpinCommand,
  'cache:verify': CacheVerifyCommand,
  doctor: DoctorCommand,
  help: helpPlugin.help,
  index: IndexCommand,
  inspect: InspectCommand,
  'push-cache': PushCacheCommand,
  verify: VerifyCommand,
  warm: WarmCommand,
};
