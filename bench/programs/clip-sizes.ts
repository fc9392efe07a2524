/** `clip-sizes.js REFERENCE FOLDER`: indexes an image and says what its `.clip` holds, in bytes. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { decodeFooter, FOOTER_BYTES } from '../../src/lib/clip/extension/footer.ts';
import { decodeHeader } from '../../src/lib/clip/header.ts';

const [reference = '', folder = ''] = process.argv.slice(2);
const clip = join(folder, 'image.clip');
const index = ['bin/run.js', 'index', reference, '-o', clip, '--cache-dir', join(folder, 'cache'), '--progress', 'none'];
await promisify(execFile)(process.execPath, index);

const file = await readFile(clip);
const { index: nodes, storageInfo } = decodeHeader(file);
const footer = decodeFooter(file, Math.max(nodes.offset + nodes.byteLength, storageInfo.offset + storageInfo.byteLength));
if (footer === undefined) throw new Error(`${clip} has no extension`);
const layers = decodeClip(file).extension?.layers ?? [];
const checkpoints = layers.flatMap((layer) => layer.checkpoints);
const report = {
  outputBytes: layers.reduce((sum, layer) => sum + layer.uncompressedBytes, 0),
  clipBytes: file.length,
  extensionBytes: footer.bodyBytes + FOOTER_BYTES,
  checkpoints: checkpoints.length,
  windowBytes: checkpoints.reduce((sum, { window }) => sum + window.length, 0),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
