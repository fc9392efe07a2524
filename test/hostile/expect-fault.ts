import { expect } from 'vitest';
import type { Fault, FaultReport } from './failing-syscall.ts';

/** Taking away what is done with is no part of a warm: it may fail and the warm succeed. So may making the lease's directory. */
const MAY_SUCCEED = new Set(['unlink', 'rmdir', 'mkdir']);

/** Row 3 says 5 s; on a busy machine that is no sign of a hang yet. */
const HANG_MS = 15_000;

/**
 * libuv makes an interrupted call again; where a link can't be made, a rename does it; where the disk is full, or a quota used up,
 * a layer comes again once there is room, and what only saves work is left out.
 */
const MAY_PASS = new Set(['EINTR', 'EXDEV', 'ENOSPC', 'EDQUOT']);

/** What holds whatever call has failed. */
export function expectSound({ call, errno, thread }: Fault, report: FaultReport, layers: number): void {
  const { code, stderr, cacheDir } = report;
  const told = stderr.split('\n').filter((line) => line.startsWith('error: '));
  expect(report.tookMs).toBeLessThan(HANG_MS);
  // Among the files that node is made to fail at are those that only save work.
  const mayPass = thread !== undefined || MAY_PASS.has(errno) || MAY_SUCCEED.has(call);
  if (code === 0 && mayPass) expect({ told, layers: report.layers }).toEqual({ told: [], layers });
  else expect({ code, told }).toEqual({ code: 8, told: [expect.stringContaining(cacheDir) as string] });
  // The kernel's number, which libuv has no name for.
  if (code === 8 && errno === 'EDQUOT') expect(told).toEqual([expect.stringMatching(/: EDQUOT.* \[STORAGE_FULL\]$/)]);
  expect({ wrong: report.wrong, nextWrong: report.nextWrong }).toEqual({ wrong: [], nextWrong: [] });
  expect({ nextCode: report.nextCode, nextLayers: report.nextLayers }).toEqual({ nextCode: 0, nextLayers: layers });
  // A file that could not be removed stays where it is.
  if (call !== 'unlink') expect(report.leftovers).toEqual([]);
}
