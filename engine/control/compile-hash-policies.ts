/** A route's hash_policy to records: what of a request is hashed, and which cookies are given out. */
import { HASH_POLICIES_MAX, type HashPolicyRecord } from '../plan/hash-policy-record.js';
import { compileCookie, TOKEN } from './compile-cookie.js';
import { compileRewrite, fieldOf, fieldsOf, flagOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

const PSEUDO: readonly string[] = [':method', ':path', ':authority'];

/** action: a RouteAction. */
export function compileHashPolicies(reader: DocumentReader, action: Value): HashPolicyRecord[] {
  const policies = fieldsOf(action, 'hash_policy');
  if (policies.length > HASH_POLICIES_MAX)
    reader.report(
      'error',
      action,
      'hash_policy',
      `${policies.length} policies; a route has at most ${HASH_POLICIES_MAX}`,
    );
  return policies.map((policy) => compilePolicy(reader, policy)).filter((record) => record !== null);
}

/** Null for one that never has anything to hash. */
function compilePolicy(reader: DocumentReader, policy: Value): HashPolicyRecord | null {
  const terminal = flagOf(policy, 'terminal');
  const header = fieldOf(policy, 'header');
  if (header !== undefined) {
    const name = textOf(header, 'header_name').toLowerCase();
    if (!TOKEN.test(name) && !PSEUDO.includes(name))
      reader.report('error', header, 'header_name', `${JSON.stringify(name)} is not a header name`);
    return { kind: 'header', terminal, name, rewrite: compileRewrite(reader, fieldOf(header, 'regex_rewrite')) };
  }
  const cookie = fieldOf(policy, 'cookie');
  if (cookie !== undefined) return compileHashedCookie(reader, cookie, terminal);
  const parameter = fieldOf(policy, 'query_parameter');
  if (parameter !== undefined) return { kind: 'query_parameter', terminal, name: textOf(parameter, 'name') };
  const connection = fieldOf(policy, 'connection_properties');
  if (flagOf(connection ?? {}, 'source_ip')) return { kind: 'source_ip', terminal };
  // Without any of them it was refused by the schema.
  if (connection !== undefined)
    reader.report('warning', policy, 'connection_properties', 'has no effect without source_ip: true');
  return null;
}

function compileHashedCookie(reader: DocumentReader, cookie: Value, terminal: boolean): HashPolicyRecord {
  if (cookie['ttl'] === undefined)
    for (const field of ['path', 'attributes'])
      if (cookie[field] !== undefined)
        reader.report('warning', cookie, field, 'has no effect without ttl: the cookie is only read, not given out');
  return { kind: 'cookie', terminal, ...compileCookie(reader, cookie) };
}
