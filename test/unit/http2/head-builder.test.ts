/** HeadBuilder: what RFC 9113 §8 calls malformed is refused, with the reason; the rest becomes the common form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  HEAD_ASTERISK,
  HEAD_AUTHORITY_FORM,
  HEAD_EXPECT_CONTINUE,
  HEAD_EXTENDED_CONNECT,
  HEAD_HTTPS,
  HEAD_LINE_ODD,
  HEAD_UPGRADE,
} from '../../../engine/http/head.js';
import { methodName } from '../../../engine/http/methods.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, BLOCK_TRAILERS } from '../../../engine/http2/hpack-decoder.js';
import {
  BlockPair,
  type Decoded,
  type Fields,
  fromHex,
  type LIMITS,
  literalBlock,
} from '../../support/header-blocks.js';

const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.example'],
  [':path', '/'],
];
const OK: Fields = [[':status', '200']];

/** GET's pseudo-header fields with some others in the place of their namesakes; null leaves one out. */
function request(changes: Readonly<Record<string, string | null>>, fields: Fields = []): Fields {
  const pseudo: [string, string][] = [];
  for (const [name, value] of GET) {
    const changed = changes[name];
    if (changed !== null) pseudo.push([name, changed ?? value]);
  }
  for (const [name, value] of Object.entries(changes))
    if (!GET.some(([known]) => known === name) && value !== null) pseudo.push([name, value]);
  return [...pseudo, ...fields];
}

function decode(fields: Fields, kind: 0 | 1 | 2 = BLOCK_REQUEST, limits: Partial<typeof LIMITS> = {}): Decoded {
  const pair = new BlockPair(limits);
  const literal = pair.decode(literalBlock(fields), kind);
  // By way of the table the verdict is the same: when the line goes in, when it is interned, and from then on.
  const inserting = literalBlock(fields);
  for (let at = 0; at < inserting.length; ) {
    inserting[at] = 0x40;
    for (let i = 0; i < 2; i++) at = endOfString(inserting, i === 0 ? at + 1 : at);
  }
  assert.equal(pair.decode(inserting, kind).reason, literal.reason, 'inserting');
  const indices = fields.map((_, at) => 0xbe + fields.length - 1 - at);
  if (indices.every((index) => index < 0xff))
    for (let i = 0; i < 4; i++) {
      const indexed = pair.decode(Uint8Array.from(indices), kind);
      assert.equal(indexed.reason, literal.reason, 'indexed');
      if (literal.reason === '') assert.deepEqual(indexed.fields, literal.fields);
    }
  return literal;
}

function endOfString(bytes: Uint8Array, at: number): number {
  let length = (bytes[at++] as number) & 0x7f;
  for (let shift = 0; length >= 0x7f; shift += 7) {
    const byte = bytes[at++] as number;
    length += (byte & 0x7f) << shift;
    if ((byte & 0x80) === 0) break;
  }
  return at + length;
}

const BAD_REQUESTS: readonly [string, Fields, string][] = [
  ['§8.3.1 without :method', request({ ':method': null }), 'invalid_pseudo_header'],
  ['§8.3.1 without :scheme', request({ ':scheme': null }), 'invalid_pseudo_header'],
  ['§8.3.1 without :path', request({ ':path': null }), 'invalid_pseudo_header'],
  ['§8.3.1 two :method', [...GET, [':method', 'GET']], 'invalid_pseudo_header'],
  ['§8.3.1 two :path', [...GET, [':path', '/']], 'invalid_pseudo_header'],
  ['§8.3.1 two :scheme', [...GET, [':scheme', 'http']], 'invalid_pseudo_header'],
  ['§8.3.1 two :authority', [...GET, [':authority', 'a.example']], 'invalid_pseudo_header'],
  ['§8.3 behind a field', [['accept', '*/*'], ...GET], 'invalid_pseudo_header'],
  [
    '§8.3 between fields',
    request({ ':path': null }, [
      ['accept', '*/*'],
      [':path', '/'],
    ]),
    'invalid_pseudo_header',
  ],
  ['§8.3 unknown', request({ ':test': 'ok' }), 'invalid_pseudo_header'],
  ['§8.3 a colon alone', request({ ':': 'ok' }), 'invalid_pseudo_header'],
  ['§8.3 in upper case', request({ ':method': null, ':Method': 'GET' }), 'invalid_pseudo_header'],
  ['§8.3.2 of responses', request({ ':status': '200' }), 'invalid_pseudo_header'],
  ['§8.3.1 an empty :path', request({ ':path': '' }), 'invalid_target'],
  ['§8.3.1 a :path without slash', request({ ':path': 'a/b' }), 'invalid_target'],
  ['§8.3.1 an absolute :path', request({ ':path': 'http://a.example/' }), 'invalid_target'],
  ['§8.3.1 * but not OPTIONS', request({ ':path': '*' }), 'invalid_target'],
  ['§8.3.1 ** with OPTIONS', request({ ':method': 'OPTIONS', ':path': '**' }), 'invalid_target'],
  ['a :path with a space', request({ ':path': '/a b' }), 'invalid_target'],
  ['a :path with a version', request({ ':path': '/ HTTP/1.1\r\nx: y' }), 'invalid_target'],
  ['a :path with a control byte', request({ ':path': '/\x01' }), 'invalid_target'],
  ['a :path with DEL', request({ ':path': '/\x7f' }), 'invalid_target'],
  ['a :path with a fragment', request({ ':path': '/#a' }), 'invalid_target'],
  ['a :path beyond ASCII', request({ ':path': '/\xe4' }), 'invalid_target'],
  ['an empty :method', request({ ':method': '' }), 'invalid_method'],
  ['a :method with a space', request({ ':method': 'GET /x' }), 'invalid_method'],
  ['a :method with a line end', request({ ':method': 'GET\r\n' }), 'invalid_method'],
  ['a :method of 65 letters', request({ ':method': 'A'.repeat(65) }), 'invalid_method'],
  ['an empty :scheme', request({ ':scheme': '' }), 'invalid_scheme'],
  ['another :scheme', request({ ':scheme': 'ftp' }), 'invalid_scheme'],
  ['a :scheme with more behind', request({ ':scheme': 'http://a' }), 'invalid_scheme'],
  ['an empty :authority', request({ ':authority': '' }), 'invalid_host'],
  ['an :authority with user', request({ ':authority': 'me@a.example' }), 'invalid_host'],
  ['an :authority with a path', request({ ':authority': 'a.example/x' }), 'invalid_host'],
  ['an :authority with a space', request({ ':authority': 'a example' }), 'invalid_host'],
  ['an :authority with a bad port', request({ ':authority': 'a.example:99999' }), 'invalid_host'],
  ['neither :authority nor host', request({ ':authority': null }), 'missing_host'],
  ['another host than :authority', [...GET, ['host', 'b.example']], 'host_differs_from_authority'],
  ['a longer host than :authority', [...GET, ['host', 'a.example.b']], 'host_differs_from_authority'],
  ['another port than that of the scheme', [...GET, ['host', 'a.example:443']], 'host_differs_from_authority'],
  [
    'two hosts',
    request({ ':authority': null }, [
      ['host', 'a'],
      ['host', 'a'],
    ]),
    'duplicate_host',
  ],
  ['two hosts beside :authority', [...GET, ['host', 'a.example'], ['host', 'a.example']], 'duplicate_host'],
  ['a bad host', request({ ':authority': null }, [['host', 'a/b']]), 'invalid_host'],
  ['an empty host', request({ ':authority': null }, [['host', '']]), 'invalid_host'],
  ['§8.2.1 an upper-case name', [...GET, ['X-Test', 'ok']], 'invalid_field_name'],
  ['§8.2.1 an empty name', [...GET, ['', 'ok']], 'invalid_field_name'],
  ['§8.2.1 a space in a name', [...GET, ['x test', 'ok']], 'invalid_field_name'],
  ['§8.2.1 a space behind a name', [...GET, ['x-test ', 'ok']], 'invalid_field_name'],
  ['§8.2.1 a colon in a name', [...GET, ['x-test:a', 'ok']], 'invalid_field_name'],
  ['§8.2.1 a line end in a name', [...GET, ['x\r\ny', 'ok']], 'invalid_field_name'],
  ['§8.2.1 a control byte in a name', [...GET, ['x\x00', 'ok']], 'invalid_field_name'],
  ['§8.2.1 a name beyond ASCII', [...GET, ['x\xe4', 'ok']], 'invalid_field_name'],
  ['§8.2.1 CR in a value', [...GET, ['x', 'a\rb']], 'invalid_field_value'],
  ['§8.2.1 LF in a value', [...GET, ['x', 'a\nb']], 'invalid_field_value'],
  ['§8.2.1 NUL in a value', [...GET, ['x', 'a\0b']], 'invalid_field_value'],
  ['a control byte in a value', [...GET, ['x', 'a\x01b']], 'invalid_field_value'],
  ['DEL in a value', [...GET, ['x', 'a\x7fb']], 'invalid_field_value'],
  ['§8.2.1 a space before a value', [...GET, ['x', ' a']], 'invalid_field_value'],
  ['§8.2.1 a tab behind a value', [...GET, ['x', 'a\t']], 'invalid_field_value'],
  ['§8.2.1 nothing but a space', [...GET, ['x', ' ']], 'invalid_field_value'],
  ['CRLF in a cookie', [...GET, ['cookie', 'a\r\nb']], 'invalid_field_value'],
  ['CRLF in a host', [...GET, ['host', 'a.example\r\nx: y']], 'invalid_field_value'],
  ['CRLF in a length', [...GET, ['content-length', '0\r\nx: y']], 'invalid_field_value'],
  ['§8.2.2 connection', [...GET, ['connection', 'close']], 'invalid_connection_field'],
  ['§8.2.2 keep-alive', [...GET, ['keep-alive', 'timeout=5']], 'invalid_connection_field'],
  ['§8.2.2 proxy-connection', [...GET, ['proxy-connection', 'close']], 'invalid_connection_field'],
  ['§8.2.2 transfer-encoding', [...GET, ['transfer-encoding', 'chunked']], 'invalid_connection_field'],
  ['§8.2.2 upgrade', [...GET, ['upgrade', 'websocket']], 'invalid_connection_field'],
  ['§8.2.2 te but trailers', [...GET, ['te', 'trailers, deflate']], 'invalid_connection_field'],
  ['a length with a sign', [...GET, ['content-length', '+1']], 'invalid_content_length'],
  ['an empty length', [...GET, ['content-length', '']], 'invalid_content_length'],
  ['a list of lengths', [...GET, ['content-length', '1, 1']], 'invalid_content_length'],
  ['a length beyond 2^53', [...GET, ['content-length', '9007199254740993']], 'invalid_content_length'],
  ['two lengths', [...GET, ['content-length', '1'], ['content-length', '1']], 'duplicate_content_length'],
  ['an unknown expectation', [...GET, ['expect', 'tea']], 'unsupported_expectation'],
  ['a length by another spelling', [...GET, ['content_length', '1']], 'unexpected_underscore'],
  ['a coding by another spelling', [...GET, ['transfer_encoding', 'chunked']], 'unexpected_underscore'],
  [
    '§8.5 CONNECT with :path',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
      [':path', '/'],
    ],
    'invalid_pseudo_header',
  ],
  [
    '§8.5 CONNECT with :scheme',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
      [':scheme', 'http'],
    ],
    'invalid_pseudo_header',
  ],
  ['§8.5 CONNECT without :authority', [[':method', 'CONNECT']], 'invalid_target'],
  [
    '§8.5 CONNECT without port',
    [
      [':method', 'CONNECT'],
      [':authority', 'a'],
    ],
    'invalid_target',
  ],
  [
    'CONNECT with a body',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
      ['content-length', '1'],
    ],
    'body_with_connect',
  ],
  ['RFC 8441 :protocol without CONNECT', request({ ':protocol': 'websocket' }), 'invalid_pseudo_header'],
  [
    'RFC 8441 without :path',
    request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': null }),
    'invalid_pseudo_header',
  ],
  [
    'RFC 8441 without :scheme',
    request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': null }),
    'invalid_pseudo_header',
  ],
  [
    'RFC 8441 without :authority',
    request({ ':method': 'CONNECT', ':protocol': 'websocket', ':authority': null }, [['host', 'a']]),
    'invalid_pseudo_header',
  ],
  [
    'RFC 8441 :protocol that is no token',
    request({ ':method': 'CONNECT', ':protocol': 'a b' }),
    'invalid_pseudo_header',
  ],
];

for (const [name, fields, reason] of BAD_REQUESTS)
  test(`malformed request, ${name}`, () => {
    assert.equal(decode(fields).reason, reason);
  });

const BAD_RESPONSES: readonly [string, Fields, string][] = [
  ['§8.3.2 without :status', [['server', 'a']], 'upstream_invalid_status_line'],
  ['§8.3.2 two :status', [...OK, [':status', '200']], 'upstream_invalid_header'],
  ['§8.3 :status behind a field', [['server', 'a'], ...OK], 'upstream_invalid_header'],
  ['§8.3.1 pseudo-header fields of requests', [...OK, [':path', '/']], 'upstream_invalid_header'],
  ['two digits', [[':status', '20']], 'upstream_invalid_status_line'],
  ['four digits', [[':status', '2000']], 'upstream_invalid_status_line'],
  ['a leading zero', [[':status', '099']], 'upstream_invalid_status_line'],
  ['no digits', [[':status', 'abc']], 'upstream_invalid_status_line'],
  ['a sign', [[':status', '+20']], 'upstream_invalid_status_line'],
  ['§8.6 101', [[':status', '101']], 'upstream_invalid_status_line'],
  ['§8.2.1 an upper-case name', [...OK, ['Server', 'a']], 'upstream_invalid_header'],
  ['§8.2.1 a line end in a value', [...OK, ['server', 'a\r\nx: y']], 'upstream_invalid_header'],
  ['a line end in host', [...OK, ['host', 'a\r\nx: y']], 'upstream_invalid_header'],
  ['a line end in expect', [...OK, ['expect', 'a\r\nx: y']], 'upstream_invalid_header'],
  ['a line end in a name with _', [...OK, ['x_y', 'a\r\nx: y']], 'upstream_invalid_header'],
  ['§8.2.2 connection', [...OK, ['connection', 'close']], 'upstream_invalid_header'],
  ['§8.2.2 transfer-encoding', [...OK, ['transfer-encoding', 'chunked']], 'upstream_invalid_header'],
  ['§8.2.2 te', [...OK, ['te', 'trailers']], 'upstream_invalid_header'],
  ['a bad length', [...OK, ['content-length', '-1']], 'upstream_invalid_framing'],
  ['two lengths', [...OK, ['content-length', '1'], ['content-length', '1']], 'upstream_invalid_framing'],
];

for (const [name, fields, reason] of BAD_RESPONSES)
  test(`malformed response, ${name}`, () => {
    assert.equal(decode(fields, BLOCK_RESPONSE).reason, reason);
  });

const BAD_TRAILERS: readonly [string, Fields][] = [
  ['§8.1 a pseudo-header field', [[':status', '200']]],
  ['§8.1 a pseudo-header field of requests', [[':path', '/']]],
  ['an unknown one', [[':x', '/']]],
  ['a length', [['content-length', '1']]],
  ['host', [['host', 'a']]],
  ['te', [['te', 'trailers']]],
  ['connection', [['connection', 'close']]],
  ['an upper-case name', [['X-A', '1']]],
  ['a line end', [['x-a', '1\r\nx: y']]],
  ['expect', [['expect', '100-continue']]],
];

for (const [name, fields] of BAD_TRAILERS)
  test(`malformed trailers, ${name}`, () => {
    assert.equal(decode(fields, BLOCK_TRAILERS).reason, 'invalid_trailer');
  });

test('a request in the common form', () => {
  const { reason, head, fields } = decode(
    request({ ':scheme': 'https', ':path': '/a?b=c' }, [
      ['content-length', '42'],
      ['x-test', ''],
    ]),
  );
  assert.equal(reason, '');
  assert.equal(methodName(head.method), 'GET');
  assert.equal(head.pathString(), '/a?b=c');
  assert.equal(head.authorityString(), 'a.example');
  assert.equal(head.contentLength, 42);
  assert.equal(head.flags, HEAD_LINE_ODD | HEAD_HTTPS);
  assert.deepEqual(fields, [
    ['host', 'a.example'],
    ['content-length', '42'],
    ['x-test', ''],
  ]);
});

test('a method of its own', () => {
  const { reason, head } = decode(request({ ':method': 'PURGE' }));
  assert.equal(reason, '');
  assert.equal(head.method, 0);
  const name = head.bytes.subarray(head.base + head.methodStart, head.base + head.methodEnd);
  assert.equal(Buffer.from(name).toString(), 'PURGE');
});

test('host instead of :authority, or the same beside it', () => {
  const alone = decode(
    request({ ':authority': null }, [
      ['accept', '*/*'],
      ['host', 'b.example:81'],
    ]),
  );
  assert.equal(alone.reason, '');
  assert.equal(alone.head.authorityString(), 'b.example:81');
  assert.deepEqual(alone.fields, [
    ['accept', '*/*'],
    ['host', 'b.example:81'],
  ]);
  const both = decode([...GET, ['host', 'a.example']]);
  assert.equal(both.reason, '');
  assert.deepEqual(both.fields, [['host', 'a.example']]);
});

test('host and :authority are compared as their scheme reads them; :authority is passed on', () => {
  for (const [scheme, authority, host] of [
    ['http', 'a.example', 'A.Example'],
    ['http', 'a.example', 'a.example:80'],
    ['http', 'a.example:80', 'a.example'],
    ['http', '[::1]', '[::1]:80'],
    ['https', 'a.example', 'a.example:443'],
  ] as const) {
    const { reason, fields } = decode(request({ ':scheme': scheme, ':authority': authority }, [['host', host]]));
    assert.equal(reason, '', host);
    assert.deepEqual(fields, [['host', authority]]);
  }
  for (const [authority, host] of [
    [':80', 'a:80'],
    ['[::80]', '[::80]:8080'],
    ['a', 'a:8'],
    ['a:81', 'a'],
  ] as const)
    assert.notEqual(decode(request({ ':authority': authority }, [['host', host]])).reason, '', host);
});

test('cookies are joined', () => {
  const { reason, fields } = decode([...GET, ['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2; c=3'], ['cookie', 'd=4']]);
  assert.equal(reason, '');
  assert.deepEqual(fields, [
    ['host', 'a.example'],
    ['x', 'y'],
    ['cookie', 'a=1; b=2; c=3; d=4'],
  ]);
});

test('empty cookies leave no space at an end', () => {
  const cookies = (values: readonly string[]): [string, string][] =>
    decode([...OK, ...values.map((value): [string, string] => ['cookie', value])], BLOCK_RESPONSE).fields;
  assert.deepEqual(cookies(['', 'a=1', '']), [['cookie', 'a=1']]);
  assert.deepEqual(cookies(['', '']), [['cookie', '']]);
});

test('flags of fields', () => {
  const { reason, head } = decode([...GET, ['expect', '100-Continue'], ['te', 'trailers']]);
  assert.equal(reason, '');
  assert.equal(head.flags, HEAD_LINE_ODD | HEAD_EXPECT_CONTINUE);
});

test('OPTIONS *', () => {
  const { reason, head } = decode(request({ ':method': 'OPTIONS', ':path': '*' }));
  assert.equal(reason, '');
  assert.equal(head.flags, HEAD_LINE_ODD | HEAD_ASTERISK);
  assert.equal(head.pathString(), '*');
});

test('CONNECT', () => {
  const { reason, head } = decode([
    [':method', 'CONNECT'],
    [':authority', 'a.example:443'],
  ]);
  assert.equal(reason, '');
  assert.equal(methodName(head.method), 'CONNECT');
  assert.equal(head.authorityString(), 'a.example:443');
  assert.equal(head.flags, HEAD_LINE_ODD | HEAD_AUTHORITY_FORM);
});

test('RFC 8441: an extended CONNECT is an upgrade, and goes on as it came', () => {
  const pair = new BlockPair();
  const block = literalBlock(
    request({ ':method': 'CONNECT', ':protocol': 'websocket' }, [['sec-websocket-version', '13']]),
  );
  const { reason, head, fields } = pair.decode(block);
  assert.equal(reason, '');
  assert.equal(methodName(head.method), 'GET');
  assert.equal(head.flags, HEAD_LINE_ODD | HEAD_UPGRADE | HEAD_EXTENDED_CONNECT);
  assert.deepEqual(fields, [
    ['host', 'a.example'],
    ['sec-websocket-version', '13'],
    ['upgrade', 'websocket'],
  ]);
  const again = pair.decode(pair.encode(head, BLOCK_REQUEST));
  assert.equal(again.reason, '');
  assert.equal(again.head.flags, head.flags);
  assert.deepEqual(again.fields, fields);
});

test('RFC 8441 only where it was announced', () => {
  const fields = request({ ':method': 'CONNECT', ':protocol': 'websocket' });
  assert.equal(decode(fields, BLOCK_REQUEST, { allowExtendedConnect: false }).reason, 'invalid_pseudo_header');
});

test('underscores: as the listener says, in requests only', () => {
  const fields: Fields = [...GET, ['x_a', '1'], ['x-b', '2']];
  assert.equal(decode(fields, BLOCK_REQUEST, { underscores: 'REJECT_REQUEST' }).reason, 'unexpected_underscore');
  assert.deepEqual(decode(fields, BLOCK_REQUEST, { underscores: 'DROP_HEADER' }).fields, [
    ['host', 'a.example'],
    ['x-b', '2'],
  ]);
  assert.equal(decode(fields).fields.length, 3);
  assert.equal(decode([...OK, ['x_a', '1']], BLOCK_RESPONSE, { underscores: 'REJECT_REQUEST' }).reason, '');
});

test('a response, its trailers', () => {
  const { reason, head, fields } = decode([...OK, ['server', 'a'], ['content-length', '3']], BLOCK_RESPONSE);
  assert.deepEqual([reason, head.status, head.contentLength], ['', 200, 3]);
  assert.deepEqual(fields, [
    ['server', 'a'],
    ['content-length', '3'],
  ]);
  const trailers = decode([['grpc-status', '0']], BLOCK_TRAILERS);
  assert.deepEqual([trailers.reason, trailers.fields], ['', [['grpc-status', '0']]]);
});

test('limits on fields and bytes, by what is written where', () => {
  const many = (count: number): Fields => Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'] as [string, string]);
  const limits = { maxFields: 8, maxHeadBytes: 400 };
  assert.equal(decode([...GET, ...many(7)], BLOCK_REQUEST, { maxFields: 8 }).reason, '');
  assert.equal(decode([...GET, ...many(8)], BLOCK_REQUEST, { maxFields: 8 }).reason, 'too_many_headers');
  assert.equal(decode([...OK, ...many(9)], BLOCK_RESPONSE, { maxFields: 8 }).reason, 'upstream_too_many_headers');
  assert.equal(decode(many(9), BLOCK_TRAILERS, limits).reason, 'trailers_too_large');
  const long: Fields = [['x', 'a'.repeat(400)]];
  assert.equal(decode([...GET, ...long], BLOCK_REQUEST, limits).reason, 'headers_too_large');
  assert.equal(decode([...OK, ...long], BLOCK_RESPONSE, limits).reason, 'upstream_headers_too_large');
  assert.equal(decode(long, BLOCK_TRAILERS, limits).reason, 'trailers_too_large');
});

test('an HPACK bomb: every reference counts, and the table stays in step', () => {
  const pair = new BlockPair();
  const first = literalBlock([...OK, ['x-bomb', 'a'.repeat(3900)]]);
  first[13] = 0x40;
  assert.equal(pair.decode(first, BLOCK_RESPONSE).reason, '');
  const bomb = new Uint8Array(800).fill(0xbe);
  bomb[0] = 0x88;
  const { reason, head } = pair.decode(bomb, BLOCK_RESPONSE);
  assert.equal(reason, 'upstream_headers_too_large');
  assert.ok(head.fieldCount <= 16);
  assert.deepEqual(pair.decode(fromHex('88be'), BLOCK_RESPONSE).fields, [['x-bomb', 'a'.repeat(3900)]]);
});

test('a block of far more lines than are allowed ends the connection, long before its end', () => {
  const pair = new BlockPair();
  assert.equal(pair.decode(new Uint8Array(801).fill(0x82)).reason, 'http2_flood');
  assert.equal(pair.decode(new Uint8Array(3 * 801)).reason, 'http2_flood');
});

test('a block that is refused for its stream leaves the table in step', () => {
  const pair = new BlockPair();
  const indexed = (name: string, value: string): number[] => [
    0x40,
    name.length,
    ...Buffer.from(name),
    value.length,
    ...Buffer.from(value),
  ];
  const refused = Uint8Array.from([0x88, ...indexed('X-Upper', 'no'), ...indexed('x-a', '1'), ...indexed('x-b', '2')]);
  assert.equal(pair.decode(refused, BLOCK_RESPONSE).reason, 'upstream_invalid_header');
  assert.deepEqual(pair.decode(fromHex('88bfbe'), BLOCK_RESPONSE).fields, [
    ['x-a', '1'],
    ['x-b', '2'],
  ]);
  assert.equal(pair.decode(fromHex('88c0'), BLOCK_RESPONSE).reason, 'upstream_invalid_header');
});
