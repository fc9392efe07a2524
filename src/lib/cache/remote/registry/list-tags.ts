import type { RegistryConnection } from '../../../auth/registry-connection.ts';
import { ClipctlError } from '../../../errors.ts';
import { discardBody, headerOf } from '../../../http/http-client.ts';
import { readBody } from '../../../http/read-body.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { hashOfTag } from './layer-manifest.ts';

const TAGS_PER_PAGE = 500;
const MAX_PAGE_BYTES = 1024 * 1024;
/** A registry that never comes to an end. */
const MAX_PAGES = 10_000;

/**
 * The layers that have a tag of ours (OCI distribution specification, "Content discovery"), page by page.
 * @throws ClipctlError REGISTRY_ERROR for an answer that makes no sense
 */
export async function* listLayerTags(connection: RegistryConnection, signal: AbortSignal): AsyncGenerator<ContentHash> {
  let last: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const after = last === undefined ? '' : `&last=${encodeURIComponent(last)}`;
    const request = {
      path: `tags/list?n=${TAGS_PER_PAGE}${after}`,
      what: 'the list of tags',
      missing: 'REGISTRY_ERROR',
    } as const;
    const response = await connection.send({ ...request, method: 'GET', headers: {}, accepted: [200, 404], signal });
    if (response.status === 404) return discardBody(response);
    const { bytes, isWhole } = await readBody(response, MAX_PAGE_BYTES, signal);
    const tags = isWhole ? tagsIn(bytes.toString('utf8')) : undefined;
    if (tags === undefined) throw nonsense(response.url.host);
    for (const tag of tags) {
      const hash = hashOfTag(tag);
      if (hash !== undefined) yield hash;
    }
    const end = tags.at(-1);
    // Only that there is a next page is believed, not where.
    if (headerOf(response, 'link') === undefined || end === undefined || end === last) return;
    last = end;
  }
  throw nonsense('the registry');
}

function tagsIn(text: string): readonly string[] | undefined {
  try {
    const { tags } = JSON.parse(text) as { tags?: unknown };
    if (tags === null) return [];
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : undefined;
  } catch {
    return undefined;
  }
}

function nonsense(host: string): ClipctlError {
  return new ClipctlError('REGISTRY_ERROR', `${host} gave a list of tags that makes no sense`, { details: { host } });
}
