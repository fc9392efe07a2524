/** Makes the file for the compressed bytes of a layer, where there is room beside it. */
import { constants } from 'node:fs';
import { storageError } from '../../../errors.ts';
import { giveToGroup, READ_BY_GROUP } from '../../group-access.ts';
import { openOwn, removeOwn } from '../../own-file.ts';
import { asFarAsPossible } from '../as-far-as-possible.ts';
import type { IngestJournal } from '../ingest-file.ts';

/**
 * False: there is no room for more than what an earlier transfer has left.
 * @param ask for the room, when the file is there: what is promised to a file that is gone counts nothing
 * @throws ClipctlError STORAGE_*; what `ask` throws
 */
export async function beginSpool(journal: IngestJournal, ask: () => Promise<boolean>): Promise<boolean> {
  const { spoolPath: path, owner, resume } = journal;
  try {
    const handle = await openOwn({ path, owner }, constants.O_WRONLY | constants.O_CREAT);
    await giveToGroup(handle, path, READ_BY_GROUP).finally(() => handle.close());
  } catch (error) {
    throw storageError(error, path, 'open');
  }
  if (await ask()) return true;
  if (resume?.kind !== 'spool') await asFarAsPossible(() => removeOwn(path));
  return false;
}
