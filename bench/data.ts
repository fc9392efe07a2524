/** Data from files of this machine: `lib` = shared libraries (few large files), `small` = headers, documents and sources. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DataSet {
  readonly name: string;
  readonly path: string;
  readonly compressedBytes: number;
  readonly files: number;
}

const FOLDERS: Readonly<Record<string, { readonly from: readonly string[]; readonly wanted: RegExp }>> = {
  lib: { from: ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib'], wanted: /\.so(\.[\d.]+)?$/ },
  small: { from: ['/usr/include', '/usr/share', '/usr/local/go/src'], wanted: /./ },
};

/** A tar of at most so many bytes, `gzip -6`; made once and kept. */
export function makeData(folder: string, name: string, maxBytes: number): DataSet {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}-${Math.round(maxBytes / 2 ** 20)}.tar.gz`);
  const list = `${path}.files`;
  const files = chooseFiles(name, maxBytes);
  if (!existsSync(path)) {
    writeFileSync(list, files.join('\n'));
    const command = 'tar -C / --owner=0 --group=0 -cf - -T "$1" 2>/dev/null | gzip -6 -n > "$2"';
    execFileSync('sh', ['-c', command, 'sh', list, `${path}.new`], { stdio: 'inherit' });
    renameSync(`${path}.new`, path);
  }
  return { name, path, compressedBytes: statSync(path).size, files: files.length };
}

function chooseFiles(name: string, maxBytes: number): string[] {
  const { from, wanted } = FOLDERS[name]!;
  const chosen = new Set<string>();
  let bytes = 0;
  for (const root of from.filter((each) => existsSync(each))) {
    for (const file of readdirSync(root, { recursive: true, withFileTypes: true })) {
      if (!file.isFile() || !wanted.test(file.name)) continue;
      const path = join(file.parentPath, file.name);
      if (bytes >= maxBytes || chosen.has(path.slice(1))) continue;
      chosen.add(path.slice(1));
      bytes += statSync(path).size + 512;
    }
  }
  return [...chosen];
}
