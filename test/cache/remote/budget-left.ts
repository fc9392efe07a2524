import { setTimeout as sleep } from 'node:timers/promises';
import type { MemoryBudget } from '../../../src/lib/pipeline/memory-budget.ts';

/** What is still leased once answers that nobody waits for have come in. */
export async function leasesLeftIn(budget: MemoryBudget): Promise<string[]> {
  for (let tries = 0; tries < 100 && budget.usedBytes > 0; tries += 1) await sleep(20);
  return budget.usedBytes === 0 ? [] : [`${budget.usedBytes} bytes of the budget`];
}
