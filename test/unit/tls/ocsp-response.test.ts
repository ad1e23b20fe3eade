/** OCSP responses as openssl(1) makes them, and what is none. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { Certificate } from '../../../engine/tls/certificate.js';
import { readOcspResponse } from '../../../engine/tls/ocsp-response.js';
import { TlsFiles } from '../../support/tls-files.js';

const files = new TlsFiles();
after(() => files.remove());
const made = files.issue('a');
const other = files.issue('b');
const leaf = new Certificate(readFileSync(made.certificate, 'utf8'));

test('whose it is, what it says and for how long', () => {
  const until = new Date('2031-02-03T04:05:06Z');
  const response = readOcspResponse(readFileSync(files.ocspResponse(made, { until })));
  assert.equal(response.certStatus, 'good');
  assert.equal(response.serialNumber, leaf.serialNumber.replace(/^0+/, ''));
  assert.equal(response.nextUpdateMs, until.getTime());
  assert.ok(Math.abs(response.thisUpdateMs - Date.now()) < 3600000);
  assert.ok(response.isOfIssuer(leaf.issuerDer));
  assert.ok(!response.isOfIssuer(leaf.der));
});

test('without an end', () => {
  assert.equal(readOcspResponse(readFileSync(files.ocspResponse(made, { until: null }))).nextUpdateMs, 0);
});

test('of a revoked certificate', () => {
  files.revoke(other.certificate);
  assert.equal(readOcspResponse(readFileSync(files.ocspResponse(other))).certStatus, 'revoked');
});

test('what is none', () => {
  const der = readFileSync(files.ocspResponse(made));
  for (let end = 0; end < der.length; end++)
    assert.throws(
      () => readOcspResponse(der.subarray(0, end)),
      /^Error: (not an OCSP|about 0|of a type|without a time)/,
    );
  assert.throws(() => readOcspResponse(Buffer.from('junk')), /not an OCSP response in DER/);
  // tryLater
  assert.throws(() => readOcspResponse(Buffer.of(0x30, 3, 0x0a, 1, 3)), /an answer without a response: tryLater/);
  assert.throws(() => readOcspResponse(leaf.der), /not an OCSP response in DER/);
});

test('what a certificate says of staples and of its key', () => {
  const read = (options: Parameters<TlsFiles['issue']>[1]): Certificate =>
    new Certificate(readFileSync(files.issue('c', options).certificate, 'utf8'));
  assert.ok(read({ isMustStaple: true }).isMustStaple);
  assert.ok(!leaf.isMustStaple);
  assert.ok(leaf.allowsSignatures);
  assert.ok(!read({ usage: 'keyEncipherment', key: 'rsa' }).allowsSignatures);
});
