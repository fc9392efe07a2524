import type { ContentAsked } from './blobcache-messages.ts';

/** Contents in pages, as a BlobCache server keeps them: pages get lost, the content is still said to be there. */
export class PagedContents {
  readonly pageBytes: number;
  readonly #missesPageEnds: boolean;
  readonly #pages = new Map<string, Map<number, Buffer>>();

  constructor(pageBytes: number, missesPageEnds: boolean) {
    this.pageBytes = pageBytes;
    this.#missesPageEnds = missesPageEnds;
  }

  get hashes(): string[] {
    return [...this.#pages.keys()].sort();
  }

  has(hash: string): boolean {
    return this.#pages.has(hash);
  }

  /** Of the pages that are left. */
  sizeOf(hash: string): number {
    return [...(this.#pages.get(hash)?.values() ?? [])].reduce((sum, { length }) => sum + length, 0);
  }

  /** Under any name: a server can be wrong. */
  set(hash: string, content: Buffer): void {
    const pages = new Map<number, Buffer>();
    for (let at = 0; at < content.length; at += this.pageBytes)
      pages.set(at / this.pageBytes, content.subarray(at, at + this.pageBytes));
    this.#pages.set(hash, pages);
  }

  losePage(hash: string, index: number): void {
    this.#pages.get(hash)?.delete(index);
  }

  clear(): void {
    this.#pages.clear();
  }

  /** As many bytes as there are; `undefined` = a miss. */
  read({ hash, offset, length }: ContentAsked): Buffer | undefined {
    const pages = this.#pages.get(hash);
    if (pages === undefined) return undefined;
    const parts: Buffer[] = [];
    let leftBytes = length;
    for (let at = offset; leftBytes > 0;) {
      const index = Math.floor(at / this.pageBytes);
      const page = pages.get(index);
      if (page === undefined) {
        const isEnd = index > Math.max(-1, ...pages.keys());
        if (!isEnd || this.#missesPageEnds) return undefined;
        break;
      }
      const part = page.subarray(at % this.pageBytes, (at % this.pageBytes) + leftBytes);
      if (part.length === 0) break;
      parts.push(part);
      at += part.length;
      leftBytes -= part.length;
      if (part.length < this.pageBytes && at % this.pageBytes !== 0) break;
    }
    return Buffer.concat(parts);
  }
}
