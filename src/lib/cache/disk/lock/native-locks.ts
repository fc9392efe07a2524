/** The optional package fs-native-extensions: locks on open files (F_OFD_SETLK). */

/** Not a literal: a bundler must leave it where it is, since it finds its binaries beside itself. */
const NATIVE_PACKAGE: string = 'fs-native-extensions';

/** What is used of the package, which brings no types. */
export interface NativeLocks {
  /** False: somebody holds it. One for writing needs a descriptor for writing, a shared one any. */
  tryLock(fd: number, options?: { readonly shared: boolean }): boolean;
}

let loading: Promise<NativeLocks | undefined> | undefined;

/** `undefined` where the package is missing. */
export function loadNativeLocks(): Promise<NativeLocks | undefined> {
  loading ??= (import(NATIVE_PACKAGE) as Promise<{ readonly default: NativeLocks }>).then(
    (loaded) => loaded.default,
    () => undefined,
  );
  return loading;
}
