/** What an image index lists beside its images: attestations, artifacts, the unknown. Their bytes are checked, what they say is not. */
import { createHash } from 'node:crypto';
import { ClipctlError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import type { ImageSource } from '../source/image-source.ts';
import { valuesOrThrow } from './failures.ts';
import type { Session } from './open-session.ts';
import { problemOf, type VerifyProblem } from './verify-results.ts';

export interface OthersVerdict {
  /** Of the blobs that were read. */
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
}

/** @throws the signal's reason, and what is a bug */
export async function verifyOthers(session: Session, source: ImageSource): Promise<OthersVerdict> {
  const others = (await source.listOthers?.({ signal: session.signal })) ?? [];
  const problems: VerifyProblem[] = [];
  const blobs = new Map<string, Descriptor>();
  for (const other of others) {
    const found = await other.readBlobs(session.signal).catch((error: unknown) => {
      problems.push(problemOf(error, `manifest ${other.descriptor.digest}`));
      return [];
    });
    for (const blob of found) blobs.set(`${blob.digest} ${blob.sizeBytes}`, blob);
  }
  const settled = await runLimited([...blobs.values()], session.options.jobs, (blob) => checkBlob(session, source, blob));
  const wrong = valuesOrThrow(settled, 'blobs').flatMap((problem) => (problem === undefined ? [] : [problem]));
  const bytes = [...blobs.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { bytes, problems: [...problems, ...wrong] };
}

async function checkBlob({ signal }: Session, source: ImageSource, blob: Descriptor): Promise<VerifyProblem | undefined> {
  const { digest, sizeBytes } = blob;
  const where = `blob ${digest}`;
  try {
    const hash = createHash('sha256');
    let seenBytes = 0;
    for await (const piece of (await source.openBlob(blob, { signal })) as AsyncIterable<Uint8Array>) {
      hash.update(piece);
      seenBytes += piece.byteLength;
    }
    if (seenBytes !== sizeBytes) {
      throw new ClipctlError('SIZE_MISMATCH', `${where} has ${seenBytes} bytes, ${sizeBytes} are promised`);
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual !== digest) throw new ClipctlError('DIGEST_MISMATCH', `${where} has the digest ${actual}`);
    return undefined;
  } catch (error) {
    return problemOf(error, where);
  }
}
