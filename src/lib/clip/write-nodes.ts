/**
 * The value of the index stream, written field by field: the bytes that the codecs of node-codec.ts write (a test compares
 * them), several times as fast. An index has a node a path, and a layer of libraries has 50,000 of them.
 */
import type { ByteString } from '../byte-string.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { ClipAttr, ClipNode, ClipRemote, ListOf } from './clip-file.ts';
import { writeInt, writeUint, writeUint32, writeUint64 } from './gob/numbers.ts';

/** A gob slice: the count, then the nodes. @throws ClipctlError INTERNAL when a number has no place in its field */
export function writeNodes(out: ByteWriter, nodes: ListOf<ClipNode>): void {
  const fields = new FieldWriter(out);
  writeUint(out, nodes.length);
  for (const node of nodes) writeNode(fields, node);
}

/** Fields by their numbers in Go's order. */
function writeNode(fields: FieldWriter, node: ClipNode): void {
  fields.open();
  fields.text(0, node.nodeType);
  fields.byteString(1, node.path);
  fields.place(2);
  writeAttr(fields, node.attr);
  fields.open(2);
  fields.byteString(3, node.target);
  fields.byteString(4, node.contentHash);
  fields.int(5, node.dataPos);
  fields.int(6, node.dataLen);
  if (node.remote !== undefined) {
    fields.place(7);
    writeRemote(fields, node.remote);
  }
  fields.close();
}

function writeAttr(fields: FieldWriter, attr: ClipAttr): void {
  fields.open();
  fields.uint64(0, attr.ino);
  fields.uint64(1, attr.size);
  fields.uint64(2, attr.blocks);
  fields.uint64(3, attr.atime);
  fields.uint64(4, attr.mtime);
  fields.uint64(5, attr.ctime);
  fields.uint32(6, attr.atimensec);
  fields.uint32(7, attr.mtimensec);
  fields.uint32(8, attr.ctimensec);
  fields.uint32(9, attr.mode);
  fields.uint32(10, attr.nlink);
  fields.place(11);
  writeOwner(fields, attr);
  fields.open(11);
  fields.uint32(12, attr.rdev);
  fields.uint32(13, attr.blksize);
  fields.uint32(14, attr.padding);
  fields.close();
}

function writeOwner(fields: FieldWriter, { uid, gid }: ClipAttr): void {
  fields.open();
  fields.uint32(0, uid);
  fields.uint32(1, gid);
  fields.close();
}

function writeRemote(fields: FieldWriter, { layerDigest, uncompressedOffset, length }: ClipRemote): void {
  fields.open();
  fields.text(0, layerDigest);
  fields.int(1, uncompressedOffset);
  fields.int(2, length);
  fields.close();
}

const NONE = -1;
const END_OF_STRUCT = 0;

/** A gob struct: of each field that is not zero, how many fields it stands behind the one written last, and its value. */
class FieldWriter {
  readonly #out: ByteWriter;
  /** Node types and layer digests: few different texts, each many times. */
  readonly #texts = new Map<string, Uint8Array>();
  #last = NONE;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  /** Begins a struct, or goes on with one whose field `last` was a struct. */
  open(last = NONE): void {
    this.#last = last;
  }

  close(): void {
    this.#out.byte(END_OF_STRUCT);
  }

  /** The value follows. */
  place(field: number): void {
    this.#out.byte(field - this.#last);
    this.#last = field;
  }

  text(field: number, value: string): void {
    if (value === '') return;
    let bytes = this.#texts.get(value);
    if (bytes === undefined) this.#texts.set(value, (bytes = Buffer.from(value, 'utf8')));
    this.place(field);
    writeUint(this.#out, bytes.length);
    this.#out.view(bytes);
  }

  byteString(field: number, value: ByteString): void {
    if (value === '') return;
    this.place(field);
    writeUint(this.#out, value.length);
    this.#out.latin1(value);
  }

  int(field: number, value: number): void {
    if (value === 0) return;
    this.place(field);
    writeInt(this.#out, value);
  }

  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.place(field);
    writeUint32(this.#out, value);
  }

  uint64(field: number, value: bigint): void {
    if (value === 0n) return;
    this.place(field);
    writeUint64(this.#out, value);
  }
}
