/** gRPC end to end with @grpc/grpc-js on both sides: every kind of call, its metadata, its ends, what is counted. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { compressionAlgorithms, status } from '@grpc/grpc-js';
import { bootstrap } from '../support/bootstrap.js';
import { ended, GrpcEcho, GrpcEchoClient, SERVICE } from '../support/grpc-echo.js';
import { ProxyProcess } from '../support/proxy-process.js';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const BIG = randomBytes(8 << 20);
let echo: GrpcEcho;
let proxy: ProxyProcess;
let client: GrpcEchoClient;

const LISTED = {
  individual_method_stats_allowlist: { services: [{ name: SERVICE, method_names: ['Unary', 'Bidi'] }] },
};
function config(ports: readonly number[], counted: object = LISTED): (port: number, adminPort: number) => string {
  const stats = {
    '@type': `${FILTERS}.grpc_stats.v3.FilterConfig`,
    enable_upstream_stats: true,
    emit_filter_state: true,
    ...counted,
  };
  const log = {
    name: 'log',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
      log_format: {
        text_format:
          'STATE %FILTER_STATE(envoy.filters.http.grpc_stats)% of %REQ(x-call)%\n' +
          'LOG %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %GRPC_STATUS% %TRAILER(x-trailer)% %RESPONSE_FLAGS%\n',
      },
    },
  };
  return bootstrap({
    origins: ports,
    manager: {
      access_log: [log],
      http_filters: [
        { name: 'stats', typed_config: stats },
        { name: 'router', typed_config: { '@type': `${FILTERS}.router.v3.Router` } },
      ],
    },
    routes: [
      { match: { prefix: '/test.Refused/', grpc: {} }, direct_response: { status: 403 } },
      {
        match: { prefix: '/test.Echo/', grpc: {}, headers: [{ name: 'x-short', present_match: true }] },
        route: { cluster: 'origin', timeout: '0s', max_stream_duration: { max_stream_duration: '0.3s' } },
      },
      {
        match: { prefix: '/test.Echo/', grpc: {} },
        route: { cluster: 'origin', timeout: '0s', max_stream_duration: { grpc_timeout_header_max: '0s' } },
      },
    ],
    cluster: { http2_protocol_options: {} },
  });
}

before(async () => {
  echo = await GrpcEcho.start();
  proxy = await ProxyProcess.start(config([echo.port]));
  client = new GrpcEchoClient(proxy.port);
});
after(async () => {
  client.close();
  await proxy.stop();
  echo.kill();
});

test('unary: message, metadata in both directions, binary too, and trailers', async () => {
  const fields = { 'x-own': 'value', 'x-own-bin': Buffer.from([0, 1, 254, 255]) };
  const answer = await client.unary(Buffer.from('hello'), fields);
  assert.deepEqual([answer.message?.toString(), answer.code], ['hello', status.OK]);
  assert.deepEqual(echo.seen.metadata.get('x-own'), ['value']);
  assert.deepEqual(echo.seen.metadata.get('x-own-bin'), [Buffer.from([0, 1, 254, 255])]);
  assert.deepEqual(answer.head.get('x-head'), ['first']);
  assert.deepEqual(answer.trailer.get('x-trailer'), ['last']);
  assert.deepEqual(answer.trailer.get('x-bin'), [Buffer.from([0, 255, 10])]);
  assert.equal((await client.unary(Buffer.alloc(0))).message?.length, 0);
});

test('every status comes through with its message and trailers', async () => {
  for (let code = 1; code <= 16; code++) {
    const answer = await client.unary(Buffer.from('x'), { 'x-fail': `${code} no 100%` });
    assert.deepEqual([answer.code, answer.details], [code, 'no 100%']);
    assert.deepEqual(answer.trailer.get('x-trailer'), ['last']);
  }
});

test('8 MiB in one message, there and back, and a thousand small ones', async () => {
  const answer = await client.unary(BIG);
  assert.ok(answer.message?.equals(BIG));
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.unary(Buffer.from(String(i)))));
  assert.ok(answers.every(({ message }, i) => message?.toString() === String(i)));
});

test('streams: from the server, from the client, and both at once as they come', async () => {
  let count = 0;
  const stream = client.serverStream(Buffer.alloc(10000, 1), { 'x-count': '500' });
  stream.on('data', (message: Buffer) => (count += message.length));
  assert.equal((await ended(stream)).code, status.OK);
  assert.equal(count, 5_000_000);
  assert.equal(await client.clientStream(Array.from({ length: 300 }, () => Buffer.alloc(20000))), 6_000_000);
  const bidi = client.bidi();
  const over = ended(bidi);
  // Each answer comes before the next message is sent: nothing waits for an end.
  for (let i = 0; i < 20; i++) {
    bidi.write(Buffer.from(`message ${i}`));
    const [message] = (await once(bidi, 'data')) as [Buffer];
    assert.equal(message.toString(), `message ${i}`);
  }
  bidi.end();
  assert.equal((await over).code, status.OK);
});

test('a client that cancels cancels at the server', async () => {
  const before = echo.seen.cancelled;
  const bidi = client.bidi({ 'x-cancelled': '1' });
  const over = ended(bidi);
  bidi.write(Buffer.from('x'));
  await once(bidi, 'data');
  bidi.cancel();
  assert.equal((await over).code, status.CANCELLED);
  await proxy.until(() => echo.seen.cancelled === before + 1);
  await proxy.until(() => /LOG \/test\.Echo\/Bidi HTTP\/2 200 .* - D[RC]\n/.test(proxy.log));
});

test('a slow reader of a stream holds the server', async () => {
  const stream = client.serverStream(Buffer.alloc(1 << 20), { 'x-count': '64' });
  const over = ended(stream);
  await once(stream, 'readable');
  let count = 0;
  stream.on('data', (message: Buffer) => {
    count += message.length;
  });
  assert.equal((await over).code, status.OK);
  assert.equal(count, 64 << 20);
});

test('a deadline ends the call, and the server knows it', async () => {
  const answer = await client.unary(Buffer.from('x'), { 'x-wait': '1' }, { deadline: Date.now() + 300 });
  assert.equal(answer.code, status.DEADLINE_EXCEEDED);
  assert.ok(echo.seen.deadlineMs > 0 && echo.seen.deadlineMs <= 300);
  await proxy.until(() => /Unary HTTP\/2 \d+ (DeadlineExceeded|-|Canceled)/.test(proxy.log));
});

test('a stream that a limit of ours ends has begun: its trailers say DEADLINE_EXCEEDED', async () => {
  const bidi = client.bidi({ 'x-short': '1' });
  bidi.write(Buffer.from('x'));
  const stream = client.serverStream(Buffer.from('x'), { 'x-count': '1', 'x-wait': '1', 'x-short': '1' });
  const over = Promise.all([ended(bidi), ended(stream)]);
  bidi.resume();
  stream.resume();
  const codes = (await over).map(({ code }) => code);
  assert.deepEqual(codes, [status.DEADLINE_EXCEEDED, status.DEADLINE_EXCEEDED]);
});

test('compressed messages pass as they are', async () => {
  const gzip = new GrpcEchoClient(proxy.port, {
    'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
  });
  const text = Buffer.alloc(100000, 'compress me ');
  const answer = await gzip.unary(text);
  gzip.close();
  assert.ok(answer.message?.equals(text));
});

test('what no route takes, or a route refuses, has a status of gRPC', async () => {
  const call = (path: string): Promise<[number, string]> =>
    new Promise((resolve) => {
      const same = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(path, same, same, Buffer.from('x'), (error) =>
        resolve([error?.code ?? 0, error?.details ?? '']),
      );
    });
  assert.equal((await call('/test.Other/Call'))[0], status.UNIMPLEMENTED);
  assert.equal((await call('/test.Refused/Call'))[0], status.PERMISSION_DENIED);
});

test('calls, messages and statuses are counted by method, in time', async () => {
  const stat = (name: string): Promise<number> => proxy.stat(`cluster.origin.grpc.${name}`);
  const unary = `${SERVICE}.Unary`;
  const before = { total: await stat(`${unary}.total`), success: await stat(`${unary}.success`) };
  const failed = await stat(`${unary}.9`);
  await client.unary(Buffer.from('x'));
  await client.unary(Buffer.from('x'), { 'x-fail': '9 no' });
  assert.equal(await stat(`${unary}.total`), before.total + 2);
  assert.equal(await stat(`${unary}.success`), before.success + 1);
  assert.equal(await stat(`${unary}.9`), failed + 1);
  const sent = await stat(`${SERVICE}.Bidi.request_message_count`);
  const bidi = client.bidi();
  const over = ended(bidi);
  for (let i = 0; i < 7; i++) bidi.write(Buffer.alloc(100));
  bidi.on('data', () => undefined);
  bidi.end();
  await over;
  assert.equal(await stat(`${SERVICE}.Bidi.request_message_count`), sent + 7);
  assert.ok((await stat(`${SERVICE}.Bidi.response_message_count`)) >= 7);
  // Methods that nobody listed count for the cluster.
  const others = await stat('total');
  await client.clientStream([Buffer.from('x')]);
  assert.equal(await stat('total'), others + 1);
  const text = await (await proxy.admin('/stats?filter=grpc')).text();
  assert.match(text, new RegExp(`cluster.origin.grpc.${unary}.upstream_rq_time: P0`));
});

test('methods of any name are counted when a server knows them', async () => {
  const own = await ProxyProcess.start(config([echo.port], { stats_for_all_methods: true }));
  const same = (bytes: Buffer): Buffer => bytes;
  // Both workers find the names.
  const callers = Array.from({ length: 6 }, () => new GrpcEchoClient(own.port));
  for (const caller of callers) {
    await caller.unary(Buffer.from('x'));
    await caller.clientStream([Buffer.from('x'), Buffer.from('y')]);
    await new Promise<void>((resolve) => {
      caller.makeUnaryRequest(`/${SERVICE}/Invented`, same, same, Buffer.from('x'), () => resolve());
    });
    caller.close();
  }
  const stat = (name: string): Promise<number> => own.stat(`cluster.origin.grpc.${name}`);
  await own.until(async () => (await stat('12')) === 6);
  assert.equal(await stat(`${SERVICE}.Unary.success`), 6);
  assert.equal(await stat(`${SERVICE}.ClientStream.request_message_count`), 12);
  const text = await (await own.admin('/stats?filter=grpc')).text();
  assert.doesNotMatch(text, /Invented/);
  assert.match(text, new RegExp(`cluster.origin.grpc.${SERVICE}.Unary.upstream_rq_time: P0`));
  await own.stop();
});

test('the log has how many messages a call had', async () => {
  const stream = client.serverStream(Buffer.from('x'), { 'x-count': '5', 'x-call': 'five' });
  stream.resume();
  await ended(stream);
  const state = '{"requestMessageCount":"1","responseMessageCount":"5"}';
  await proxy.until(() => Promise.resolve(proxy.log.includes(`STATE ${state} of five\n`)));
});

test('a server that dies in the middle of a stream, and one that is gone: UNAVAILABLE', async () => {
  const dying = await GrpcEcho.start();
  const own = await ProxyProcess.start(config([dying.port]));
  const caller = new GrpcEchoClient(own.port);
  const stream = caller.serverStream(Buffer.from('x'), { 'x-count': '1', 'x-wait': '1' });
  const over = ended(stream);
  await once(stream, 'data');
  dying.kill();
  const { code, details } = await over;
  assert.deepEqual([code, details], [status.UNAVAILABLE, 'Bad Gateway: upstream_response_truncated']);
  await own.until(async () => (await own.stat(`cluster.origin.grpc.14`)) === 1);
  await own.until(() => /LOG \/test.Echo\/ServerStream HTTP\/2 200 Unavailable - UC\n/.test(own.log));
  const refused = await caller.unary(Buffer.from('x'));
  assert.equal(refused.code, status.UNAVAILABLE);
  assert.match(refused.details, /upstream connect error/);
  caller.close();
  await own.stop();
});
