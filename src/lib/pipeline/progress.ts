/** What a running operation tells: renderers draw it, `--progress json` prints it, nobody depends on it. */
import type { Digest } from '../oci/digest.ts';

export type LayerAction = 'download' | 'read' | 'verify' | 'push';

/** `layer` is the compressed digest where it is known, else the diffID. Bytes count what has passed so far, of
 * the `totalBytes` beside them: the compressed layer from a registry or layout, the decompressed one from a remote. */
export type ProgressEvent =
  | {
      readonly type: 'image';
      readonly image: string;
      readonly platform: string;
      readonly layers: number;
      readonly totalBytes: number;
      /** What `totalBytes` sums up: the compressed size of each layer. */
      readonly sizes: readonly { readonly layer: Digest; readonly totalBytes: number }[];
    }
  | {
      readonly type: 'layer-start';
      readonly layer: Digest;
      readonly action: LayerAction;
      readonly totalBytes: number;
      readonly from: string;
      readonly to?: string;
    }
  | {
      readonly type: 'layer-progress';
      readonly layer: Digest;
      readonly action: LayerAction;
      readonly bytes: number;
      readonly totalBytes: number;
      /** Of a push: the remote. One layer may go to several at once. */
      readonly to?: string;
    }
  | {
      readonly type: 'layer-done';
      readonly layer: Digest;
      readonly action: LayerAction;
      readonly bytes: number;
      readonly note?: string;
      readonly to?: string;
    }
  | { readonly type: 'layer-failed'; readonly layer: Digest; readonly action: LayerAction; readonly to?: string }
  | { readonly type: 'layer-skip'; readonly layer: Digest; readonly reason: string }
  /** The disk cache needed its space; `bytes` in disk blocks. */
  | { readonly type: 'layer-evicted'; readonly layer: Digest; readonly bytes: number }
  /** Another process is bringing this layer; who, where its lock says so. */
  | {
      readonly type: 'layer-wait';
      readonly layer: Digest;
      readonly pid?: number;
      readonly host?: string;
      readonly command?: string;
      /** It lives and does not go on. */
      readonly isStopped?: boolean;
    }
  | {
      readonly type: 'retry';
      readonly what: string;
      /** 1 for the first, of `most` in a row. */
      readonly attempt: number;
      readonly most: number;
      readonly waitMs: number;
      readonly reason: string;
    }
  /** In what order registry and mirrors are asked, and why one was passed over. */
  | { readonly type: 'mirror'; readonly message: string }
  /** Where the credentials for a repository come from, or that there are none. */
  | { readonly type: 'login'; readonly message: string }
  /** What nobody asked for and everybody may know: a registry that is spoken to without TLS. Once each. */
  | { readonly type: 'notice'; readonly message: string }
  | { readonly type: 'warning'; readonly message: string };

export type ProgressListener = (event: ProgressEvent) => void;
