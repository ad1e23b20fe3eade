/** Certificates as they are read, and which of them a policy accepts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { Certificate } from '../../../engine/tls/certificate.js';
import { ClientCertDetails } from '../../../engine/tls/client-cert-details.js';
import {
  ANY_PEER,
  CertificateCache,
  isDnsMatch,
  PeerPolicy,
  type PeerPolicyRecord,
  type SanMatchRecord,
} from '../../../engine/tls/peer-policy.js';
import { TlsFacts } from '../../../engine/tls/tls-facts.js';
import { TlsFiles } from '../../support/tls-files.js';

const files = new TlsFiles();
after(() => files.remove());

const made = files.issue('peer', {
  subject: '/C=DE/O=Mill\\, "Race" \\+ Söhne;/OU=x/CN=peer',
  san: 'DNS:a.example,DNS:*.b.example,URI:spiffe://m/x,IP:127.0.0.1,IP:2001:db8::1,email:x@y.example,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:upn@z',
});
const peer = new Certificate(readFileSync(made.certificate, 'utf8'));
const openssl = (...args: string[]): string =>
  execFileSync('openssl', ['x509', '-in', made.certificate, '-noout', ...args])
    .toString()
    .trim();

test('names, serial number and digests are those of openssl', () => {
  assert.equal(peer.subject, openssl('-subject', '-nameopt', 'RFC2253').replace(/^subject=/, ''));
  assert.equal(peer.issuer, 'CN=root,O=millrace');
  assert.equal(peer.serialNumber, openssl('-serial').replace('serial=', '').toLowerCase());
  const print = (kind: string): string =>
    openssl('-fingerprint', kind).replace(/.*=/, '').replaceAll(':', '').toLowerCase();
  assert.equal(peer.sha256, print('-sha256'));
  assert.equal(peer.sha1, print('-sha1'));
  const spki = execFileSync('sh', [
    '-c',
    `openssl x509 -in ${made.certificate} -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | openssl base64`,
  ]).toString();
  assert.equal(peer.spkiSha256, spki.trim());
  assert.equal(decodeURIComponent(peer.encodedPem), readFileSync(made.certificate, 'utf8'));
  assert.ok(!/[\n +/=]/.test(peer.encodedPem));
});

test('subject alternative names of every type', () => {
  assert.deepEqual(peer.altNames, [
    { type: 'DNS', value: 'a.example', oid: '' },
    { type: 'DNS', value: '*.b.example', oid: '' },
    { type: 'URI', value: 'spiffe://m/x', oid: '' },
    { type: 'IP_ADDRESS', value: '127.0.0.1', oid: '' },
    { type: 'IP_ADDRESS', value: '2001:db8::1', oid: '' },
    { type: 'EMAIL', value: 'x@y.example', oid: '' },
    { type: 'OTHER_NAME', value: 'upn@z', oid: '1.3.6.1.4.1.311.20.2.3' },
  ]);
  assert.deepEqual(new Certificate(readFileSync(files.certificate, 'utf8')).altNames, []);
});

test('signatures over SHA-1 are seen', () => {
  const weak = files.issue('weak', { digest: 'sha1' });
  assert.equal(new Certificate(readFileSync(weak.certificate, 'utf8')).weakDigest, 'SHA-1');
  assert.equal(peer.weakDigest, '');
});

test('a wildcard is the whole first label, and stands for one', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['a.example', 'A.EXAMPLE', true],
    ['*.example.com', 'x.example.com', true],
    ['*.example.com', 'x.y.example.com', false],
    ['*.example.com', 'example.com', false],
    ['*.example.com', '.example.com', false],
    ['*.com', 'example.com', false],
    ['x*.example.com', 'xy.example.com', false],
    ['*', 'example', false],
  ];
  for (const [pattern, name, isMatch] of cases) assert.equal(isDnsMatch(pattern, name), isMatch, `${pattern} ${name}`);
});

const san = (type: SanMatchRecord['type'], match: SanMatchRecord['match'], oid = ''): PeerPolicyRecord => ({
  ...ANY_PEER,
  sans: [{ type, oid, match }],
});
const exact = (value: string, ignoreCase = false): SanMatchRecord['match'] => ({ kind: 'exact', value, ignoreCase });

test('names that are configured: one has to match one', () => {
  const cases: readonly (readonly [PeerPolicyRecord, boolean])[] = [
    [san('URI', exact('spiffe://m/x')), true],
    [san('URI', exact('SPIFFE://M/X')), false],
    [san('URI', exact('SPIFFE://M/X', true)), true],
    [san('URI', { kind: 'prefix', value: 'spiffe://m/', ignoreCase: false }), true],
    [san('URI', { kind: 'suffix', value: '/y', ignoreCase: false }), false],
    [san('URI', { kind: 'contains', value: 'm/', ignoreCase: false }), true],
    [san('URI', { kind: 'safe_regex', value: 'spiffe://.*/x' }), true],
    [san('URI', { kind: 'safe_regex', value: 'spiffe' }), false],
    [san('DNS', exact('x.b.example')), true],
    [san('DNS', exact('b.example')), false],
    [san('EMAIL', exact('x@y.example')), true],
    [san('IP_ADDRESS', exact('127.0.0.1')), true],
    [san('DNS', exact('127.0.0.1')), false],
    [san('OTHER_NAME', exact('upn@z'), '1.3.6.1.4.1.311.20.2.3'), true],
    [san('OTHER_NAME', exact('upn@z'), '1.2.3'), false],
  ];
  for (const [record, isAccepted] of cases) {
    const policy = new PeerPolicy(record);
    for (let times = 0; times < 2; times++)
      assert.equal(policy.judge(peer, ''), isAccepted ? null : 'san', JSON.stringify(record.sans));
  }
});

test('pins: one of all; a name that was asked for; nobody', () => {
  const pinned = (spkiPins: string[], hashPins: string[]): PeerPolicy =>
    new PeerPolicy({ ...ANY_PEER, spkiPins, hashPins });
  assert.equal(pinned([peer.spkiSha256], ['00']).judge(peer, ''), null);
  assert.equal(pinned(['x'], [peer.sha256]).judge(peer, ''), null);
  assert.equal(pinned(['x'], ['00']).judge(peer, ''), 'cert_hash');
  assert.equal(pinned(['x'], []).judge(null, ''), 'no_cert');
  const none = new PeerPolicy(ANY_PEER);
  assert.equal(none.judge(null, ''), null);
  assert.equal(none.judge(null, 'a.example'), 'no_cert');
  for (const [name, outcome] of [
    ['a.example', null],
    ['x.b.example', null],
    ['c.example', 'san'],
    ['127.0.0.1', null],
    ['127.0.0.2', 'san'],
    ['2001:DB8:0::1', null],
  ] as const)
    assert.equal(none.judge(peer, name), outcome, name);
});

test('x-forwarded-client-cert: quotes of a subject are escaped once, names with a backslash are left out', () => {
  const names = '@names\n[names]\nURI.1 = spiffe://m/\\\\\nURI.2 = spiffe://m/y\nDNS.1 = odd.example';
  const quoted = files.issue('quoted', { subject: '/O=x";URI=spiffe:\\/\\/admin;a="/CN=é', san: names });
  const session = {
    peerCertificateDer: new Certificate(readFileSync(quoted.certificate, 'utf8')).der,
    peerChainDer: [],
  } as never;
  const facts = new TlsFacts(session, null, new CertificateCache());
  assert.deepEqual(facts.peer?.names('URI'), ['spiffe://m/\\', 'spiffe://m/y']);
  const record = { forward: 'SANITIZE_SET', cert: false, chain: false, subject: true, uri: true, dns: false } as const;
  assert.equal(
    Buffer.from(new ClientCertDetails(record).valueOf(facts)).toString(),
    `Hash=${facts.peer?.sha256};Subject="${facts.peer?.subject}";URI=spiffe://m/y`,
  );
  assert.match(facts.peer?.subject ?? '', /,O=x\\"\\;URI=spiffe:\/\/admin\\;a=\\"$/);
});

test('x-forwarded-client-cert: what is forwarded, and that no name ends its element', () => {
  const odd = files.issue('odd', { san: '@names\n[names]\nURI.1 = spiffe://m/a,b;c=d\nDNS.1 = odd.example' });
  const session = {
    peerCertificateDer: new Certificate(readFileSync(odd.certificate, 'utf8')).der,
    peerChainDer: [],
  } as never;
  const facts = new TlsFacts(session, peer, new CertificateCache());
  const off = { cert: false, chain: false, subject: false, uri: false, dns: false };
  const text = (fields: Partial<typeof off>): string =>
    Buffer.from(new ClientCertDetails({ forward: 'SANITIZE_SET', ...off, ...fields }).valueOf(facts)).toString();
  const hash = facts.peer?.sha256;
  assert.equal(text({}), `By=spiffe://m/x;Hash=${hash}`);
  const uri = facts.peer?.names('URI')[0] as string;
  assert.match(uri, /[,;=]/);
  assert.equal(text({ uri: true, dns: true }), `By=spiffe://m/x;Hash=${hash};URI="${uri}";DNS=odd.example`);
  assert.equal(text({ subject: true }), `By=spiffe://m/x;Hash=${hash};Subject="CN=odd,O=millrace"`);
  const treatment = (forward: never, tls: TlsFacts | null): string =>
    new ClientCertDetails({ forward, ...off }).treatmentOf(tls);
  const all = ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'] as never[];
  assert.deepEqual(
    all.map((forward) => [treatment(forward, facts), treatment(forward, null)]),
    [
      ['remove', 'remove'],
      ['keep', 'remove'],
      ['append', 'remove'],
      ['replace', 'remove'],
      ['keep', 'keep'],
    ],
  );
});
