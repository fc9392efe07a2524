import { ClipctlError } from '../../errors.ts';

/** The error for a file that does not say which images are meant. */
export function unusable(name: string, problem: string, cause?: unknown): ClipctlError {
  return new ClipctlError('USAGE', `--from-file ${name}: ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'It takes one image a line, a Kubernetes manifest, a compose file or a Dockerfile.',
  });
}
