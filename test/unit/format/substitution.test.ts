/** Substitution formats: operators, alternatives, truncation, mistakes with their place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExchangeView } from '../../../engine/format/exchange-view.js';
import { checkFormat, compileFormat, expandEnvironment } from '../../../engine/format/substitution.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import { newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

const bytes = Buffer.from('POST /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nX-A: one\r\nX-A: two\r\n\r\n');
const request = newHead();
parseRequestHead(bytes, 0, bytes.length, request, SERVER_OPTIONS);
const view = {
  request,
  response: newHead(),
  responseTrailers: null,
  methodName: 'POST',
  protocol: 'HTTP/1.1',
  responseStatus: 503,
  responseFlags: 'UF,URX',
  responseCodeDetails: '',
  bytesSent: 12,
  startUs: 1000,
  endUs: 26500,
  startWallMs: Date.UTC(2026, 0, 31, 12, 0, 0, 7),
  upstreamAddress: { family: 6, host: '::1', port: 80 },
} as unknown as ExchangeView;

function text(format: string): string {
  const compiled = compileFormat(format);
  if ('error' in compiled) throw new Error(compiled.error);
  return compiled.format.text(view, '-');
}

test('operators', () => {
  assert.equal(text('%REQ(:METHOD)% %REQ(X-NONE?:PATH)% %PROTOCOL%'), 'POST /a/b?c=d HTTP/1.1');
  assert.equal(text('%REQ(X-A)% %REQ(x-a):5% %REQ(X-NONE)%'), 'one,two one,t -');
  assert.equal(
    text('%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS%'),
    '503 UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded -',
  );
  assert.equal(text('%DURATION% %BYTES_SENT% 100%%'), '25 12 100%');
  assert.equal(
    text('%START_TIME% %START_TIME(%Y/%m/%d %H:%M:%S.%3f %s)%'),
    '2026-01-31T12:00:00.007Z 2026/01/31 12:00:00.007 1769860800',
  );
  assert.equal(text('%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT%'), '[::1]:80 80');
  assert.equal(text('%QUERY_PARAM(c)% %PATH(NQ)%'), 'd /a/b');
});

test('mistakes', () => {
  assert.equal(checkFormat('fine %PROTOCOL%'), null);
  assert.match(checkFormat('%NONSENSE%') as string, /unknown operator %NONSENSE%/);
  assert.match(checkFormat('50% off') as string, /not an operator/);
});

test('environment variables take their places, also right behind another operator', () => {
  const environment = { A: 'one%', B: 'abcdef' };
  assert.equal(expandEnvironment('%ENVIRONMENT(A)%', environment), 'one%%');
  assert.equal(expandEnvironment('%ENVIRONMENT(B):3%.%ENVIRONMENT(C)%', environment), 'abc.%ENVIRONMENT(C)%');
  assert.equal(expandEnvironment('%PROTOCOL%%ENVIRONMENT(B)%%ENVIRONMENT(B):1%', environment), '%PROTOCOL%abcdefa');
  assert.equal(expandEnvironment('%REQ(a)%%%ENVIRONMENT(B)%', environment), '%REQ(a)%%%ENVIRONMENT(B)%');
  assert.equal(expandEnvironment('%%ENVIRONMENT(B)%% 5%', environment), '%%ENVIRONMENT(B)%% 5%');
});
