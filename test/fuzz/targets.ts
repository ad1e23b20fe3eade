/** Fuzz targets: each takes bytes and throws when something holds no more. */
import { compileFormat } from '../../engine/format/substitution.js';
import type { MessageStream } from '../../engine/http/codec.js';
import { Http1ClientCodec } from '../../engine/http1/codec-client.js';
import { Http1ServerCodec } from '../../engine/http1/codec-server.js';
import { parseRequestHead, parseResponseHead } from '../../engine/http1/head-parser.js';
import { FakeConn, newHead, newShared } from '../support/fake-conn.js';
import { RecordingSink } from '../support/recording-sink.js';
import { SERVER_OPTIONS } from '../support/server-harness.js';
import * as authority from './targets/authority.js';
import * as chunked from './targets/chunked.js';
import * as clientHello from './targets/client-hello.js';
import * as config from './targets/config.js';
import * as headerBlock from './targets/header-block.js';
import * as hpack from './targets/hpack.js';
import * as http2 from './targets/http2.js';
import * as jsonFormat from './targets/json-format.js';
import * as path from './targets/path.js';
import * as proxyProtocol from './targets/proxy-protocol.js';
import * as regex from './targets/regex.js';
import * as router from './targets/router.js';

export interface Target {
  readonly name: string;
  /** Inputs to begin with. */
  readonly corpus: readonly string[];
  run(input: Uint8Array): void;
}

const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /x?y=z HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\nConnection: keep-alive, x\r\n\r\nabc',
  'POST / HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3;a="b"\r\nabc\r\n0\r\nX: y\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
  'GET http://a/b HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n',
  'OPTIONS * HTTP/1.0\r\n\r\n',
];
const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\nuntil the end',
  'HTTP/1.1 304 Not Modified\r\nEtag: "a"\r\n\r\n',
];

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Feeds in two pieces, cut at a place that the input decides. */
function feedSplit(input: Uint8Array, feed: (bytes: Uint8Array, start: number, end: number) => void): void {
  const cut = input.length === 0 ? 0 : (input[0] as number) % (input.length + 1);
  for (const piece of [input.slice(0, cut), input.slice(cut)]) {
    feed(piece, 0, piece.length);
    piece.fill(0xaa);
  }
}

function serverRun(input: Uint8Array): void {
  const conn = new FakeConn();
  const sinks: RecordingSink[] = [];
  const host = { onIdle: () => {}, onFinished: () => {} };
  const acceptor = {
    onStream: () => {
      const sink = new RecordingSink();
      sinks.push(sink);
      return sink;
    },
  };
  const codec = new Http1ServerCodec(conn, host, acceptor, SERVER_OPTIONS, newShared());
  feedSplit(input, (bytes, start, end) => codec.feed(bytes, start, end));
  codec.feedEnd();
  codec.close(1);
  for (const sink of sinks) {
    check(sink.ended <= 1, 'a message ended twice');
    check(sink.ended + sink.faults.length >= 1, 'a message neither ended nor failed');
  }
}

function clientRun(input: Uint8Array): void {
  const sink = new RecordingSink();
  const codec = new Http1ClientCodec(
    new FakeConn(),
    { onIdle: () => {}, onFinished: () => {} },
    SERVER_OPTIONS,
    newShared(),
  );
  const stream = codec.openStream(sink) as MessageStream;
  const request = newHead();
  request.method = 1;
  stream.sendHead(request, true);
  feedSplit(input, (bytes, start, end) => codec.feed(bytes, start, end));
  codec.feedEnd();
  codec.close(0);
  check(sink.ended <= 1, 'a response ended twice');
  check(sink.ended + sink.faults.length >= 1, 'a response neither ended nor failed');
}

function headRun(input: Uint8Array): void {
  for (const parse of [parseRequestHead, parseResponseHead]) {
    const head = newHead();
    const after = parse(input, 0, input.length, head, SERVER_OPTIONS);
    check(after <= input.length, 'read behind the end');
    if (after <= 0) continue;
    for (let slot = 0; slot < head.fieldCount; slot++) {
      check(!/[\r\n\0]/.test(head.nameString(slot) + head.valueString(slot)), 'a line break in a field');
    }
  }
}

export const TARGETS: readonly Target[] = [
  { name: 'http1-head', corpus: [...REQUESTS, ...RESPONSES], run: headRun },
  { name: 'http1-server', corpus: REQUESTS, run: serverRun },
  { name: 'http1-client', corpus: RESPONSES, run: clientRun },
  hpack,
  headerBlock,
  chunked,
  http2.frames,
  http2.server,
  http2.client,
  authority,
  path,
  proxyProtocol,
  regex,
  router,
  clientHello,
  config,
  jsonFormat,
  {
    name: 'format',
    corpus: ['%REQ(:METHOD)% %START_TIME(%Y)% %%', '%RESP(a?b):3%'],
    run: (input) => {
      compileFormat(Buffer.from(input).toString('latin1'));
    },
  },
];

/** Fails on purpose: shows that the runner finds what there is to find. */
export const CANARY: Target = {
  name: 'canary',
  corpus: ['xxxx'],
  run: (input) => check(!(input.length > 2 && input[1] === 0x21), 'canary'),
};
