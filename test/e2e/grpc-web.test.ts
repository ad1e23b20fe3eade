/** gRPC-Web as a page of another origin speaks it: preflight, then calls by fetch to a server of @grpc/grpc-js. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { GrpcEcho, SERVICE } from '../support/grpc-echo.js';
import { ProxyProcess } from '../support/proxy-process.js';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const PAGE = 'https://app.example';
const BINARY = 'application/grpc-web+proto';
const TEXT = 'application/grpc-web-text';
let echo: GrpcEcho;
let proxy: ProxyProcess;

before(async () => {
  echo = await GrpcEcho.start();
  const filter = (name: string, message: string): object => ({
    name,
    typed_config: { '@type': `${FILTERS}.${message}` },
  });
  const cors = {
    allow_origin_string_match: [{ suffix: '.example' }],
    allow_methods: 'GET, POST, OPTIONS',
    allow_headers: 'content-type,x-grpc-web,x-fail,grpc-timeout',
    expose_headers: 'grpc-status,grpc-message,x-head',
    max_age: '600',
    allow_credentials: true,
  };
  const typed = (policy: object): object => ({
    typed_per_filter_config: { cors: { '@type': `${FILTERS}.cors.v3.CorsPolicy`, ...policy } },
  });
  const to = (path: string, more: object = {}): object => ({
    match: { prefix: path },
    route: { cluster: 'origin' },
    ...more,
  });
  proxy = await ProxyProcess.start(
    bootstrap({
      origins: [echo.port],
      cluster: { http2_protocol_options: {} },
      manager: {
        http_filters: [
          filter('cors', 'cors.v3.Cors'),
          filter('web', 'grpc_web.v3.GrpcWeb'),
          filter('router', 'router.v3.Router'),
        ],
        route_config: {
          virtual_hosts: [
            {
              name: 'all',
              domains: ['*'],
              response_headers_to_add: [{ header: { key: 'x-details', value: '%RESPONSE_CODE_DETAILS%' } }],
              routes: [
                to('/echo-headers', typed({ allow_headers: '*', allow_credentials: false })),
                to('/weighted', {
                  route: {
                    weighted_clusters: {
                      clusters: [{ name: 'origin', weight: 1, ...typed({ allow_methods: 'PUT' }) }],
                    },
                  },
                }),
                to('/strict', typed({ forward_not_matching_preflights: false })),
                { match: { prefix: '/refused' }, direct_response: { status: 403, body: { inline_string: 'no' } } },
                to('/', { match: { prefix: '/', headers: [{ name: 'x-nowhere', invert_match: true }] } }),
              ],
              ...typed(cors),
            },
          ],
        },
      },
    }),
  );
});
after(async () => {
  await proxy.stop();
  echo.kill();
});

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly messages: Buffer[];
  /** Of the last frame; null = it is none of trailers. */
  readonly trailers: string | null;
}

/** What a gRPC-Web client does of a call, in either encoding. */
async function call(method: string, messages: Buffer[], type: string, fields: object = {}): Promise<Answer> {
  const body = Buffer.concat(messages.map(frame));
  const isText = type.startsWith(TEXT);
  const response = await fetch(`http://127.0.0.1:${proxy.port}/${SERVICE}/${method}`, {
    method: 'POST',
    headers: { 'content-type': type, accept: type, 'x-grpc-web': '1', origin: PAGE, ...fields },
    body: isText ? body.toString('base64') : new Uint8Array(body),
  });
  assert.equal(response.headers.get('content-type'), isText ? `${TEXT}+proto` : BINARY);
  let bytes = Buffer.from(await response.arrayBuffer());
  // Texts behind each other: each ends in its padding.
  if (isText)
    bytes = Buffer.concat((bytes.toString().match(/[^=]+={0,2}/g) ?? []).map((each) => Buffer.from(each, 'base64')));
  const got: Buffer[] = [];
  let trailers: string | null = null;
  for (let at = 0; at < bytes.length; ) {
    assert.equal(trailers, null, 'trailers are the last frame');
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    assert.ok(end <= bytes.length, 'the last frame is whole');
    if (bytes[at] === 0x80) trailers = bytes.subarray(at + 5, end).toString();
    else got.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return { status: response.status, headers: response.headers, messages: got, trailers };
}

for (const type of [BINARY, TEXT])
  test(`${type}: calls, streams and metadata`, async () => {
    const unary = await call('Unary', [Buffer.from('hello')], type, { 'grpc-timeout': '9S' });
    assert.deepEqual(unary.messages.map(String), ['hello']);
    assert.equal(unary.headers.get('x-head'), 'first');
    assert.match(unary.trailers ?? '', /^(?:[a-z-]+:[^\r\n]*\r\n)+$/);
    assert.match(unary.trailers ?? '', /grpc-status:0\r\n/);
    assert.match(unary.trailers ?? '', /x-trailer:last\r\n/);
    assert.match(unary.trailers ?? '', /x-bin:AP8K\r\n/);
    const stream = await call('ServerStream', [Buffer.alloc(50000, 'y')], type, { 'x-count': '40' });
    assert.equal(stream.messages.length, 40);
    assert.ok(stream.messages.every((message) => message.equals(Buffer.alloc(50000, 'y'))));
    const big = Buffer.alloc(2 << 20, 'z');
    assert.ok((await call('Unary', [big], type)).messages[0]?.equals(big));
  });

test('an error without messages comes as a head alone, or as trailers; both name status and reason', async () => {
  const failed = await call('Unary', [Buffer.from('x')], BINARY, { 'x-fail': '9 not now' });
  const told = failed.trailers ?? `grpc-status:${failed.headers.get('grpc-status')}\r\n`;
  assert.match(told, /grpc-status:9\r\n/);
  const missing = await call('Nothing', [Buffer.from('x')], BINARY);
  const status = missing.headers.get('grpc-status') ?? /grpc-status:(\d+)/.exec(missing.trailers ?? '')?.[1];
  assert.equal(status, '12');
});

test('our own answers and bad base64 are gRPC-Web too', async () => {
  const refused = await fetch(`http://127.0.0.1:${proxy.port}/refused`, {
    method: 'POST',
    headers: { 'content-type': BINARY },
    body: 'x',
  });
  assert.deepEqual(
    [refused.status, refused.headers.get('grpc-status'), refused.headers.get('grpc-message')],
    [200, '7', 'no'],
  );
  assert.equal(refused.headers.get('content-type'), BINARY);
  const nowhere = await call('Unary', [Buffer.from('x')], BINARY, { 'x-nowhere': '1' });
  assert.deepEqual([nowhere.status, nowhere.headers.get('grpc-status')], [200, '12']);
  const bad = await fetch(`http://127.0.0.1:${proxy.port}/${SERVICE}/Unary`, {
    method: 'POST',
    headers: { 'content-type': TEXT, accept: TEXT },
    body: '!!!!',
  });
  assert.equal(bad.headers.get('grpc-status'), '13');
  assert.equal(bad.headers.get('grpc-message'), 'Bad gRPC-web request, invalid base64 data.');
});

/** fetch() would not send these fields. */
function preflight(path: string, origin: string, fields: object = {}): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) =>
    http
      .request(
        {
          host: '127.0.0.1',
          port: proxy.port,
          path,
          method: 'OPTIONS',
          headers: {
            origin,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'x-own',
            ...fields,
          },
        },
        (response) => resolve(response.resume()),
      )
      .on('error', reject)
      .end(),
  );
}

test('preflights are answered as the route says; what it leaves open is as the host says', async () => {
  const before = await proxy.stat('http.ingress.cors.origin_valid');
  const host = await preflight(`/${SERVICE}/Unary`, PAGE);
  assert.equal(host.statusCode, 200);
  const wanted = {
    'access-control-allow-origin': PAGE,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, POST, OPTIONS',
    'access-control-allow-headers': 'content-type,x-grpc-web,x-fail,grpc-timeout',
    'access-control-max-age': '600',
    'access-control-expose-headers': undefined,
    'x-details': 'cors_response',
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(host.headers[name], value, name);
  const own = await preflight('/echo-headers', PAGE);
  assert.equal(own.headers['access-control-allow-headers'], 'x-own');
  assert.equal(own.headers['access-control-allow-credentials'], undefined);
  const weighted = await preflight('/weighted', PAGE);
  assert.equal(weighted.headers['access-control-allow-methods'], 'PUT');
  assert.equal(await proxy.stat('http.ingress.cors.origin_valid'), before + 3);
});

test('other origins: the upstream answers, or nobody allows; answers to allowed ones say so', async () => {
  const before = await proxy.stat('http.ingress.cors.origin_invalid');
  const strict = await preflight('/strict', 'https://evil.test');
  assert.deepEqual([strict.statusCode, strict.headers['access-control-allow-origin']], [200, undefined]);
  const forwarded = await preflight(`/${SERVICE}/Unary`, 'https://evil.test');
  assert.notEqual(forwarded.statusCode, 200);
  assert.equal(await proxy.stat('http.ingress.cors.origin_invalid'), before + 2);
  const answer = await call('Unary', [Buffer.from('x')], BINARY);
  assert.equal(answer.headers.get('access-control-allow-origin'), PAGE);
  assert.equal(answer.headers.get('access-control-expose-headers'), 'grpc-status,grpc-message,x-head');
  const plain = await call('Unary', [Buffer.from('x')], BINARY, { origin: 'https://evil.test' });
  assert.equal(plain.headers.get('access-control-allow-origin'), null);
});
