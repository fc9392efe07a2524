import { expect } from 'vitest';
import type { Fault, FaultReport } from './failing-syscall.ts';

/** Taking away what is done with is no part of a warm: it may fail and the warm succeed. So may making the lease's directory. */
const MAY_SUCCEED = new Set(['unlink', 'rmdir', 'mkdir']);

/** What holds whatever call has failed. */
export function expectSound({ call }: Fault, report: FaultReport, layers: number): void {
  const { code, stderr, cacheDir } = report;
  const told = stderr.split('\n').filter((line) => line.startsWith('error: '));
  if (code === 0 && MAY_SUCCEED.has(call)) expect({ told, layers: report.layers }).toEqual({ told: [], layers });
  else expect({ code, told }).toEqual({ code: 8, told: [expect.stringContaining(cacheDir) as string] });
  expect({ wrong: report.wrong, nextWrong: report.nextWrong }).toEqual({ wrong: [], nextWrong: [] });
  expect({ nextCode: report.nextCode, nextLayers: report.nextLayers }).toEqual({ nextCode: 0, nextLayers: layers });
  // A file that could not be removed stays where it is.
  if (call !== 'unlink') expect(report.leftovers).toEqual([]);
}
