/** Configs as admin shows them: no secret in any way of writing them, and everything else as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { redactedText } from '../../../engine/admin/redacted-text.js';

const BASE64 = Buffer.alloc(80, 'secret').toString('base64');
const PEM = '-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n';

const context = {
  tls_certificates: [
    {
      certificate_chain: { inline_string: 'shown' },
      private_key: { inline_string: PEM },
      password: { inline_string: 'open sesame' },
    },
  ],
  session_ticket_keys: { keys: [{ inline_bytes: BASE64 }, { filename: '/shown' }] },
  note: 'shown',
};
const hidden = {
  tls_certificates: [
    {
      certificate_chain: { inline_string: 'shown' },
      private_key: { inline_string: '[redacted]' },
      password: { inline_string: '[redacted]' },
    },
  ],
  session_ticket_keys: { keys: [{ inline_bytes: '[redacted]' }, { filename: '/shown' }] },
  note: 'shown',
};

const ways: Record<string, string> = {
  JSON: JSON.stringify(context),
  'JSON of many lines': JSON.stringify(context, null, 2),
  'YAML in blocks': `tls_certificates:
- certificate_chain:
    inline_string: shown
  private_key:
    inline_string: |
${PEM.replace(/^/gm, '      ').trimEnd()}
  password: # with a comment
    inline_string: open sesame
session_ticket_keys:
  keys:
  - inline_bytes: ${BASE64}
  - filename: /shown
note: shown
`,
  'YAML in one line': `tls_certificates: [{ certificate_chain: { inline_string: shown }, private_key: { inline_string: "${PEM.replaceAll('\n', '\\n')}" }, password: { 'inline_string': 'open sesame' } }]
session_ticket_keys: { keys: [{ inline_bytes: '${BASE64}' }, { filename: /shown }] }
note: shown
`,
};

for (const [way, text] of Object.entries(ways))
  test(`secrets are not shown: ${way}`, () => {
    assert.deepEqual(parse(redactedText(text)), hidden);
  });

test('a private key is not shown, wherever it stands', () => {
  const text = `a: "${Buffer.from(PEM).toString('base64')}"\nb: |\n  ${PEM.replaceAll('\n', '\n  ')}\n`;
  assert.doesNotMatch(redactedText(text), /LS0t|PRIVATE/);
});

test('what has no secrets is shown as it was written', () => {
  const text = "# mine\na:   { b: 'c' }   # and why\n";
  assert.equal(redactedText(text), text);
});
