import { ClipctlError, errorClassOf, errorCodeOf } from '../errors.ts';

/**
 * The one error for several failed items: one class for all gives the first error itself (its class decides the exit
 * code), a mixture is PARTIAL_FAILURE, and a required remote goes before both (CLI.md, exit codes). An abort goes before all.
 */
export function combineFailures(failures: readonly unknown[], what: string): Error {
  const errors = failures.map((failure) => (failure instanceof Error ? failure : new Error(String(failure))));
  const first = errors[0] ?? new ClipctlError('INTERNAL', `${what} failed without a reason`);
  if (errors.length <= 1) return first;
  const decisive =
    errors.find((error) => errorCodeOf(error) === 'ABORTED') ?? errors.find((error) => errorCodeOf(error) === 'REMOTE_FAILED');
  if (decisive !== undefined) return decisive;
  const classes = new Set(errors.map((error) => errorClassOf(errorCodeOf(error))));
  const others = `${first.message} (and ${errors.length - 1} more ${what} failed)`;
  if (classes.size > 1) return new ClipctlError('PARTIAL_FAILURE', others, { cause: new AggregateError(errors) });
  if (!(first instanceof ClipctlError)) return first;
  return new ClipctlError(first.code, others, {
    cause: new AggregateError(errors),
    details: first.details,
    ...(first.hint === undefined ? {} : { hint: first.hint }),
  });
}

/** The values of all that succeeded. @throws combineFailures when any failed, after all have ended */
export function valuesOrThrow<T>(settled: readonly PromiseSettledResult<T>[], what: string): T[] {
  const failures = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (failures.length > 0) throw combineFailures(failures, what);
  return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
