import { describe, expect, it } from 'vitest';
import { errnoOf } from '../src/lib/errno.ts';
import { ClipctlError, elsewhereThan, storageError } from '../src/lib/errors.ts';

const errno = (code: string): Error => Object.assign(new Error(`${code}: no`), { code });

describe('the hint of a storage error', () => {
  it('speaks of the cache directory unless the path is another', () => {
    expect(storageError(errno('ENOSPC'), '/p', 'write').hint).toContain('--cache-dir');
    const hint = storageError(errno('ENOSPC'), '/p', { doing: 'write', elsewhere: 'another file with -o' }).hint;
    expect(hint).toBe('Free some space, or choose another file with -o.');
  });

  it('speaks of no other path where that is no help', () => {
    expect(storageError(errno('EMFILE'), '/p', 'open').hint).toMatch(/^Too many files are open: .*ulimit -n/);
  });

  it('is changed for a path of another place only', () => {
    const error = storageError(errno('EACCES'), '/remote/x', 'create');
    expect(elsewhereThan(error, '/remote', 'another remote')).toMatchObject({
      code: 'STORAGE_DENIED',
      message: error.message,
      details: error.details,
      hint: 'Check the path, or choose another remote.',
    });
    expect(elsewhereThan(error, '/other', 'another remote')).toBe(error);
    const own = new ClipctlError('STORAGE_ERROR', 'odd', { hint: 'its own', details: { path: '/remote/x' } });
    expect(elsewhereThan(own, '/remote', 'another remote')).toBe(own);
  });
});

describe('an error of the system that libuv has no name for', () => {
  const nameless = (code: string, number: number): Error => Object.assign(new Error(`${code}: no`), { code, errno: -number });

  it.each(['UNKNOWN', 'Unknown system error -122'])('is told by its number (%s)', (code) => {
    expect(storageError(nameless(code, 122), '/p', 'write')).toMatchObject({
      code: 'STORAGE_FULL',
      message: 'cannot write /p: EDQUOT',
    });
    expect(errnoOf(nameless(code, 116))).toBe('ESTALE');
  });

  it('stays as it is when the number has no name either', () => {
    expect(errnoOf(nameless('UNKNOWN', 4094))).toBe('UNKNOWN');
    expect(errnoOf(errno('ENOENT'))).toBe('ENOENT');
    expect(errnoOf(new Error('no'))).toBeUndefined();
  });
});
