/** Operators: every one that is accepted has a value or is missing for a reason; arguments are checked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { N } from '../../../engine/http/names.js';
import { GrpcMessages } from '../../../engine/format/filter-state-value.js';
import type { ExchangeView } from '../../../engine/format/exchange-view.js';
import { checkFormat, compileFormat } from '../../../engine/format/substitution.js';
import { newHead } from '../../support/fake-conn.js';
import { requestHead, requestView } from '../../support/routes.js';

const encoder = new TextEncoder();

function text(format: string, view: Partial<ExchangeView>): string {
  const compiled = compileFormat(format);
  if ('error' in compiled) throw new Error(compiled.error);
  return compiled.format.text(view as ExchangeView, '-');
}

const plain = requestView(requestHead('/a'));

test('durations are whole units, and missing when one of the points was not reached', () => {
  const at = { startUs: 1000, requestEndUs: 2999, upstreamRequestEndUs: 0, upstreamHeadUs: 4000, endUs: 9000 };
  assert.equal(text('%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION%', at), '8 1 3');
  assert.equal(text('%REQUEST_TX_DURATION% %RESPONSE_TX_DURATION%', at), '- 5');
  assert.equal(text('%DURATION%', { ...at, endUs: 0, nowUs: 3500 }), '2');
  assert.equal(text('%COMMON_DURATION(DS_RX_BEG:DS_RX_END:us)%', at), '1999');
  assert.equal(text('%COMMON_DURATION(DS_RX_END:DS_RX_BEG:us)%', at), '-', 'the points in the wrong order');
});

test('nanoseconds are exactly a thousand times the microseconds', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 0, max: 1e9 }), (from, length) => {
      const written = text('%COMMON_DURATION(DS_RX_BEG:DS_RX_END:ns)%', { startUs: from, requestEndUs: from + length });
      assert.equal(written, String(length * 1000));
    }),
    { numRuns: 2000 },
  );
});

test('addresses: IPv6 in brackets with a port, without one bare; a unix socket is its path and has no port', () => {
  const six = { family: 6, host: '::1', port: 80 } as const;
  const unix = { family: 'unix', host: '/run/x', port: 0 } as const;
  const format = '%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%';
  assert.equal(text(format, { upstreamAddress: six }), '[::1]:80 ::1 80');
  assert.equal(text(format, { upstreamAddress: unix }), '/run/x /run/x -');
  assert.equal(text(format, { upstreamAddress: null }), '- - -');
});

test('ids of connections: the upstream one is missing until there is one', () => {
  const format = '%CONNECTION_ID% %UPSTREAM_CONNECTION_ID%';
  assert.equal(text(format, { connectionId: 7, upstreamConnectionId: 0 }), '7 -');
  assert.equal(text(format, { connectionId: 7, upstreamConnectionId: 9 }), '7 9');
});

test('grpc status: of the trailers, else of the head, else by the HTTP status; none without gRPC', () => {
  const grpc = requestHead('/a', 'a', 'Content-Type: application/grpc+proto\r\n');
  const trailers = newHead();
  trailers.add(N['grpc-status'], encoder.encode('7'), 0, 1);
  const format = '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%';
  const base = { request: grpc, response: newHead(), responseTrailers: null, responseStatus: 503 };
  assert.equal(text(format, base), 'Unavailable UNAVAILABLE 14');
  assert.equal(text(format, { ...base, responseTrailers: trailers }), 'PermissionDenied PERMISSION_DENIED 7');
  assert.equal(text(format, { ...base, request: requestHead('/a') }), '- - -');
  assert.equal(text(format, { ...base, responseStatus: 0 }), '- - -');
});

test('what grpc_stats keeps, as text and as the JSON of its message; no other filter keeps state', () => {
  const format = '%FILTER_STATE(envoy.filters.http.grpc_stats)% %FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)%';
  const of = (requests: number, responses: number): string =>
    text(format, { grpcMessages: Object.assign(new GrpcMessages(), { requests, responses }) });
  assert.equal(of(2, 3), '{"requestMessageCount":"2","responseMessageCount":"3"} 2,3');
  assert.equal(of(1, 0), '{"requestMessageCount":"1"} 1,0');
  assert.equal(of(0, 4), '{"responseMessageCount":"4"} 0,4');
  assert.equal(of(0, 0), '- -');
  assert.equal(text('%FILTER_STATE(other)% %FILTER_STATE(other:FIELD:x)%', {}), '- -');
});

test('query parameters come as they were sent: nothing decoded can forge a line', () => {
  const view = requestView(requestHead('/p?a=1&ab=2&a=3&e&f=%0d%0aforged'));
  assert.equal(text('%QUERY_PARAM(a)% %QUERY_PARAM(ab)% %QUERY_PARAM(b)%', view), '1 2 -');
  assert.equal(text('[%QUERY_PARAM(e)%] %QUERY_PARAM(f)%', view), '[] %0d%0aforged');
});

test('paths: the original one when there is one', () => {
  const view = requestView(requestHead('/new?q', 'a', 'X-Envoy-Original-Path: /old?r\r\n'));
  assert.equal(text('%PATH% %PATH(NQ)% %PATH(WQ:PATH)% %PATH(NQ:ORIG)%', view), '/old?r /old /new?q /old');
  assert.equal(text('%PATH(WQ:ORIG)% %PATH%', plain), '- /a');
  assert.equal(text('%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%', view), '/old');
});

test('times: once composed per second, right for each', () => {
  const at = (startWallMs: number): string => text('%START_TIME(%s %3f %6f %f %T)%', { startWallMs });
  assert.equal(at(Date.UTC(2026, 0, 1) + 5.25), '1767225600 005 005250 005250000 00:00:00');
  assert.equal(at(-1), '-1 999 999000 999000000 23:59:59');
  const compiled = compileFormat('%START_TIME(%S.%3f)%');
  assert.ok('format' in compiled);
  const seconds = [1000, 1999, 2000, 1500].map((startWallMs) =>
    compiled.format.text({ startWallMs } as ExchangeView, '-'),
  );
  assert.deepEqual(seconds, ['01.000', '01.999', '02.000', '01.500']);
});

test('wrong arguments are refused with what is right', () => {
  for (const [format, message] of [
    ['%PROTOCOL(x)%', /takes no argument/],
    ['%REQ()%', /not a header name/],
    ['%REQ(a?b?c)%', /more than one alternative/],
    ['%REQ(a b)%', /not a header name/],
    ['%START_TIME(%n)%', /line breaks/],
    ['%PATH(XX)%', /PATH takes WQ or NQ/],
    ['%GRPC_STATUS(UPPER)%', /takes CAMEL_STRING/],
    ['%COMMON_DURATION(DS_RX_BEG:NOWHERE:ms)%', /knows .*not NOWHERE/],
    ['%COMMON_DURATION(DS_RX_BEG:DS_RX_END:h)%', /START:END:ms/],
    ['%QUERY_PARAM()%', /needs a name/],
    ['%FILTER_STATE()%', /needs a key/],
    ['%FILTER_STATE(envoy.filters.http.grpc_stats:FIELD:x)%', /takes PLAIN or TYPED/],
    ['%UPSTREAM_METADATA(x)%', /not supported yet/],
  ] as const)
    assert.match(checkFormat(format) ?? 'accepted', message, format);
});

test('truncation counts bytes, and never adds any', () => {
  const view = requestView(requestHead('/abcdef'));
  assert.equal(text('%PATH:3% %PATH:100% %PATH:0%|', view), '/ab /abcdef |');
});

test('a status and a header of the response', () => {
  const response = newHead();
  const value = encoder.encode('nginx');
  response.status = 200;
  response.add(N.server, value, 0, value.length);
  assert.equal(text('%RESP(:STATUS)% %RESP(Server)% %RESP(x)%', { response, responseStatus: 200 }), '200 nginx -');
});
