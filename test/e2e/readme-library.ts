/** The README's example of the library, under the eyes of the type checker; readme.test.ts compares the two and runs it. */
import { ClipctlError, openCache } from '../../src/index.ts';

const cache = openCache({ cacheDir: '/var/cache/clipctl' });
try {
  const images = ['localhost:5000/team/app:v1'];
  const { totals } = await cache.warm({ images, from: ['file:///mnt/cache'] });
  console.log(`${totals.layers} layers are warm, ${totals.downloadedBytes} bytes were downloaded`);
} catch (error) {
  if (!(error instanceof ClipctlError)) throw error;
  console.error(error.code, error.message, error.hint);
} finally {
  await cache.close();
}
