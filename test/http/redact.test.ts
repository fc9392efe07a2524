import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { redactText, redactUrl } from '../../src/lib/redact.ts';

const SECRET = 'canary-7c21';

describe('redactUrl', () => {
  test('keeps host and path, drops user, password, query values and fragment', () => {
    expect(redactUrl(`https://user:${SECRET}@h:5000/a/b?X-Sig=${SECRET}&k=1#${SECRET}`)).toBe(
      'https://REDACTED@h:5000/a/b?X-Sig=REDACTED&k=REDACTED',
    );
    expect(redactUrl('s3://bucket/prefix')).toBe('s3://bucket/prefix');
    expect(redactUrl(`not a url ${SECRET}`)).toBe('(unreadable address)');
  });
});

describe('redactText', () => {
  test('takes secrets out of URLs, headers and wherever they are named', () => {
    const text = `GET https://u:${SECRET}@h/x?sig=${SECRET} with Authorization: Bearer ${SECRET} or Basic ${SECRET}, and ${SECRET}`;
    expect(redactText(text, [SECRET])).not.toContain(SECRET);
    expect(redactText(`redis://:${SECRET}@h/0`)).not.toContain(SECRET);
    expect(redactText(`authorization: bearer ${SECRET}`)).not.toContain(SECRET);
  });

  test('ends a URL where the sentence goes on', () => {
    expect(redactText(`redis://u:${SECRET}@h:6379: no answer; s3://b/p.`)).toBe('redis://REDACTED@h:6379: no answer; s3://b/p.');
    expect(redactText(`https://h/x?sig=${SECRET}:`)).toBe('https://h/x?sig=REDACTED:');
    expect(redactText('http://:::')).toBe('(unreadable address):::');
  });

  test('no secret survives in a query, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 50 }), fc.string({ maxLength: 50 }), (before, after) => {
        const text = `${before.replaceAll(SECRET, '')} https://h/p?token=${SECRET} ${after}`;
        return !redactText(text).includes(SECRET);
      }),
    );
  });
});
