/** The one place that takes secrets out of what people and logs may see (STYLE §3.2). */

const REDACTED = 'REDACTED';
/** `scheme://` up to the next space, quote or bracket. One class, no nesting: linear. */
const URL_IN_TEXT = /[a-z][a-z0-9+.-]{0,31}:\/\/[^\s"'<>`\\]*/gi;
const HEADER_SECRET = /\b(authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:basic|bearer)|basic|bearer)\s{1,4}[A-Za-z0-9._~+/=-]{6,}/gi;

/** A URL for people: no user, no password, every query value replaced, no fragment. What does not parse is not shown. */
export function redactUrl(url: string | URL): string {
  const parsed = typeof url === 'string' ? parseUrl(url) : url;
  if (parsed === undefined) return '(unreadable address)';
  const userInfo = parsed.username !== '' || parsed.password !== '' ? `${REDACTED}@` : '';
  const slashes = parsed.href.startsWith(`${parsed.protocol}//`) ? '//' : '';
  return `${parsed.protocol}${slashes}${userInfo}${parsed.host}${parsed.pathname}${redactQuery(parsed.searchParams)}`;
}

/**
 * Text for people: every URL in it redacted, `Basic …` and `Bearer …` values and the given secrets removed.
 * Secrets shorter than 3 characters are left: replacing them would tell where they occur.
 */
export function redactText(text: string, secrets: readonly string[] = []): string {
  let redacted = text;
  for (const secret of secrets) {
    if (secret.length >= 3) redacted = redacted.replaceAll(secret, REDACTED);
  }
  return redacted
    .replace(URL_IN_TEXT, (text) => redactBeforePunctuation(text))
    .replace(HEADER_SECRET, (_, scheme: string) => `${scheme} ${REDACTED}`);
}

/** What a sentence goes on with behind a URL is none of it: `redis://host:6379: no answer` has no port `6379:`. */
function redactBeforePunctuation(text: string): string {
  let end = text.length;
  while (end > 0 && '.,:;'.includes(text.charAt(end - 1))) end--;
  return `${redactUrl(text.slice(0, end))}${text.slice(end)}`;
}

function redactQuery(parameters: URLSearchParams): string {
  const names = [...parameters.keys()];
  return names.length === 0 ? '' : `?${names.map((name) => `${encodeURIComponent(name)}=${REDACTED}`).join('&')}`;
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
