/** A cookie that clients are given: its name, its life, its path and what else stands behind it. */
import { fieldsOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

/** A token (RFC 9110 §5.6.2): names of headers and cookies. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export interface CookieFields {
  readonly name: string;
  /** 0 = until the browser ends; null = ttl is not there. */
  readonly maxAgeSeconds: number | null;
  readonly path: string;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

export function compileCookie(reader: DocumentReader, cookie: Value): CookieFields {
  const name = textOf(cookie, 'name');
  if (!TOKEN.test(name)) reader.report('error', cookie, 'name', `${JSON.stringify(name)} is not a cookie name`);
  const ttlMs = cookie['ttl'] as number | undefined;
  if (ttlMs !== undefined && ttlMs % 1000 !== 0)
    reader.report('warning', cookie, 'ttl', `a cookie lives whole seconds: it gets ${Math.floor(ttlMs / 1000)}`);
  checkText(reader, cookie, 'path');
  const attributes = fieldsOf(cookie, 'attributes').map((attribute) => {
    const own = textOf(attribute, 'name');
    if (!TOKEN.test(own))
      reader.report('error', attribute, 'name', `${JSON.stringify(own)} is not an attribute's name`);
    checkText(reader, attribute, 'value');
    return { name: own, value: textOf(attribute, 'value') };
  });
  const maxAgeSeconds = ttlMs === undefined ? null : Math.floor(ttlMs / 1000);
  return { name, maxAgeSeconds, path: textOf(cookie, 'path'), attributes };
}

/** A semicolon would begin an attribute that nobody meant (RFC 6265 §4.1.1). */
function checkText(reader: DocumentReader, value: Value, field: string): void {
  if (!/^[ -:<-~]*$/.test(textOf(value, field)))
    reader.report('error', value, field, 'must be printable ASCII without ";"');
}
