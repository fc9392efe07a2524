import type { RemoteContext } from '../../../src/lib/cache/remote-context.ts';
import { createDispatcher } from '../../../src/lib/http/dispatcher.ts';
import { MemoryBudget } from '../../../src/lib/pipeline/memory-budget.ts';

/** What a session would lend to a driver, with no login, no waiting and an empty environment unless told. */
export function contextForTest(over: Partial<RemoteContext> = {}): RemoteContext {
  return {
    budget: new MemoryBudget(),
    dispatcher: createDispatcher({ timeoutMs: 10_000, insecureHosts: [] }),
    timeoutMs: 10_000,
    policy: { retries: 2, sleep: () => Promise.resolve() },
    credentials: () => Promise.resolve(undefined),
    insecureHosts: [],
    // Nobody can make it, root neither: a test that wants notes gives a place.
    uploadsDirectory: '/dev/null/uploads',
    environment: {},
    onWarning: () => undefined,
    ...over,
  };
}
