/** Redacted text: a config as it was written, without the secrets that stand in it. */
import { isScalar, parseDocument, visit } from 'yaml';

const SECRETS = new Set(['private_key', 'pkcs12', 'password', 'session_ticket_keys']);
const INLINE = new Set(['inline_string', 'inline_bytes']);
export const REDACTED = '[redacted]';

/** text: YAML or JSON. Private keys in PEM, and in base64, are taken out wherever they stand. */
export function redactedText(text: string): string {
  let shown = text;
  for (const [start, end] of secretsIn(text).sort(([a], [b]) => b - a))
    shown = `${shown.slice(0, start)}"${REDACTED}"${shown.slice(end)}`;
  return shown
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, REDACTED)
    .replace(/LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]+/g, REDACTED);
}

/** Where inline values of secrets begin and end. */
function secretsIn(text: string): [number, number][] {
  const found: [number, number][] = [];
  visit(parseDocument(text, { logLevel: 'silent' }), {
    Pair(_, { key, value }, path) {
      const isInline = isScalar(key) && INLINE.has(String(key.value)) && isScalar(value);
      if (!isInline || !path.some((outer) => 'key' in outer && isScalar(outer.key) && isSecret(outer.key.value)))
        return;
      const [start, end] = value.range ?? [0, 0];
      // The line end of a block scalar is not part of what replaces it.
      found.push([start, text[end - 1] === '\n' ? end - 1 : end]);
    },
  });
  return found;
}

function isSecret(key: unknown): boolean {
  return SECRETS.has(String(key));
}
