import { Readable } from 'node:stream';
import { ClipctlError } from '../../../errors.ts';
import type { RequestBody } from '../../../http/request-body.ts';

/**
 * What the SDK is given as a body. It is a Readable only because the SDK takes no other stream: Node's streams would read
 * ahead into leased memory that is not theirs any more. The request handler sends `request`.
 */
export class PieceBody extends Readable {
  readonly request: RequestBody;

  constructor(request: RequestBody) {
    super();
    this.request = request;
  }

  override _read(): void {
    this.destroy(new ClipctlError('INTERNAL', 'the body of an S3 request was read as a stream'));
  }
}
