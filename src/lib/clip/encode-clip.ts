import { ClipctlError } from '../errors.ts';
import { ByteWriter } from './byte-writer.ts';
import type { ClipExtension, ClipStorageInfo, ComposedClip } from './clip-file.ts';
import { MAX_LIST_ELEMENTS } from './clip-invalid.ts';
import { encodeExtension } from './extension/encode-extension.ts';
import { encodeFooter, EXTENSION_VERSION } from './extension/footer.ts';
import { encodeGob } from './gob/gob-stream.ts';
import { encodeHeader, HEADER_BYTES, STORAGE_TYPE } from './header.ts';
import { nodeListWriter } from './node-codec.ts';
import { storageInfo, storageInfoWrapper } from './storage-info-codec.ts';

/**
 * The bytes of a `.clip` file (FORMATS.md §1): header, index, storage info and, when there is one, the extension. The
 * same file as data gives the same bytes; nodes are written in the order given.
 * @throws ClipctlError LIMIT_ENTRIES for more nodes than `decodeClip` takes, INTERNAL when a number has no place in its
 * field
 */
export function encodeClip(file: ComposedClip): Uint8Array {
  return writeClip(file).toBytes();
}

/** The same bytes in pieces: once in memory, not twice. */
export function encodeClipPieces(file: ComposedClip): readonly Uint8Array[] {
  return writeClip(file).pieces();
}

function writeClip(file: ComposedClip): ByteWriter {
  if (file.nodes.length > MAX_LIST_ELEMENTS) {
    throw new ClipctlError(
      'LIMIT_ENTRIES',
      `a .clip file holds at most ${MAX_LIST_ELEMENTS} entries, these are ${file.nodes.length}`,
    );
  }
  const index = encodeGob(nodeListWriter, file.nodes);
  const storage = encodeStorageInfo(file.storageInfo);
  const out = new ByteWriter();
  out.view(
    encodeHeader({
      index: { offset: HEADER_BYTES, byteLength: index.byteLength },
      storageInfo: { offset: HEADER_BYTES + index.byteLength, byteLength: storage.byteLength },
    }),
  );
  out.append(index);
  out.append(storage);
  if (file.extension !== undefined) appendExtension(out, file.extension);
  return out;
}

function encodeStorageInfo(value: ClipStorageInfo): ByteWriter {
  return encodeGob(storageInfoWrapper, { Type: STORAGE_TYPE, Data: encodeGob(storageInfo, value).toBytes() });
}

function appendExtension(out: ByteWriter, extension: ClipExtension): void {
  const body = encodeExtension(extension);
  const bodyOffset = out.byteLength;
  out.append(body);
  out.view(encodeFooter(out.pieces(), { version: EXTENSION_VERSION, bodyOffset, bodyBytes: body.byteLength }));
}
