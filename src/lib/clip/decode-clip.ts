import { clipInvalid } from './clip-invalid.ts';
import type { ClipExtension, ClipFile, ClipNode, ClipStorageInfo } from './clip-file.ts';
import { decodeExtension } from './extension/decode-extension.ts';
import { checkFileHash, decodeFooter, EXTENSION_VERSION, type ExtensionFooter } from './extension/footer.ts';
import { decodeGob } from './gob/gob-stream.ts';
import { decodeHeader, STORAGE_TYPE, type ClipHeader, type ClipSection } from './header.ts';
import { nodeList } from './node-codec.ts';
import { storageInfo, storageInfoWrapper } from './storage-info-codec.ts';

/** A `.clip` file with its extension still unread. */
export interface OpenedClip {
  readonly header: ClipHeader;
  readonly nodes: readonly ClipNode[];
  readonly storageInfo: ClipStorageInfo;
  /** Undefined: the file has none (Go CLIP's files). Above `EXTENSION_VERSION`: `readExtension` has nothing to give. */
  readonly extensionVersion: number | undefined;
  /**
   * Checks the hash over the whole file and reads the extension; its windows are views of the file's bytes. Undefined
   * when there is none, or a newer clipctl wrote it: the index stays readable without.
   * @throws ClipctlError CLIP_INVALID
   */
  readExtension(): ClipExtension | undefined;
}

/**
 * Reads index and storage info (FORMATS.md §1). Whoever calls has limited the size of the file.
 * @throws ClipctlError CLIP_INVALID naming the field and the offset
 */
export function openClipBytes(file: Uint8Array): OpenedClip {
  const header = decodeHeader(file);
  const nodes = decodeGob(nodeList, sectionOf(file, header.index), { where: 'index', baseOffset: header.index.offset });
  const storage = decodeStorageInfo(file, header.storageInfo);
  const footer = decodeFooter(file, Math.max(endOf(header.index), endOf(header.storageInfo)));
  return {
    header,
    nodes,
    storageInfo: storage,
    extensionVersion: footer?.version,
    readExtension: () => readExtension(file, footer),
  };
}

/**
 * The whole file, extension included.
 * @throws ClipctlError CLIP_INVALID naming the field and the offset
 */
export function decodeClip(file: Uint8Array): ClipFile {
  const opened = openClipBytes(file);
  const extension = opened.readExtension();
  return { nodes: opened.nodes, storageInfo: opened.storageInfo, ...(extension && { extension }) };
}

function decodeStorageInfo(file: Uint8Array, section: ClipSection): ClipStorageInfo {
  const wrapper = decodeGob(storageInfoWrapper, sectionOf(file, section), { where: 'storageInfo', baseOffset: section.offset });
  if (wrapper.Type !== STORAGE_TYPE) {
    throw clipInvalid(`storage type ${JSON.stringify(wrapper.Type.slice(0, 40))} is not known`, {
      field: 'storageInfo.Type',
      offset: section.offset,
    });
  }
  const baseOffset = wrapper.Data.byteLength === 0 ? section.offset : wrapper.Data.byteOffset - file.byteOffset;
  return decodeGob(storageInfo, wrapper.Data, { where: 'storageInfo.Data', baseOffset });
}

function readExtension(file: Uint8Array, footer: ExtensionFooter | undefined): ClipExtension | undefined {
  if (footer === undefined) return undefined;
  checkFileHash(file);
  if (footer.version > EXTENSION_VERSION) return undefined;
  if (footer.version < 1)
    throw clipInvalid(`extension: there is no version ${footer.version}`, { field: 'extension.footer.version' });
  return decodeExtension(sectionOf(file, { offset: footer.bodyOffset, byteLength: footer.bodyBytes }), footer.bodyOffset);
}

function sectionOf(file: Uint8Array, { offset, byteLength }: ClipSection): Uint8Array {
  return file.subarray(offset, offset + byteLength);
}

function endOf({ offset, byteLength }: ClipSection): number {
  return offset + byteLength;
}
