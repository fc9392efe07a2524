import { expect, it } from 'vitest';
import { debianImageMissing, provideDebianImage } from '../servers/debian-image.ts';

const missing = debianImageMissing();

it.skipIf(missing !== undefined)(
  `the Debian image shows what its layers changed${missing === undefined ? '' : ` (${missing})`}`,
  { timeout: 300_000 },
  async () => {
    const { files } = await provideDebianImage();
    const byPath = new Map(files.map((file) => [file.path, file]));
    expect(files.length).toBeGreaterThan(3000);
    expect(byPath.get('/bin')?.kind).toBe('symlink');
    expect(byPath.get('/usr/bin/clipctl-tool')?.size).toBe('tool\n'.length);
    expect(byPath.get('/etc/clipctl-link')?.sha256).toBe(byPath.get('/etc/clipctl')?.sha256);
    expect([...byPath.keys()].filter((path) => path.startsWith('/usr/share/doc/'))).toEqual(['/usr/share/doc/back']);
    expect(byPath.has('/usr/bin/yes')).toBe(false);
    expect(byPath.get('/usr/share/locale')?.kind).toBe('directory');
  },
);
