/** Clients that don't read, on HTTP/2 of both sides: nobody else who shares their connection to the origin waits. */
import assert from 'node:assert/strict';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { Http2Client, MEMORY_MIB } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';

const BIG = Buffer.alloc(1 << 20, 'x');
// The connection's is the one that ends: two streams could fill it twice.
const WINDOWS = { initial_stream_window_size: 240000, initial_connection_window_size: 240000 };

for (const transport of ['native', 'node'])
  test(`two streams that nobody reads keep no other client waiting, ${transport} transport`, async () => {
    const sessions: ServerHttp2Session[] = [];
    // Answered when both are there: the second would get a connection of its own if the first had filled this one's window.
    const big: ServerHttp2Stream[] = [];
    const origin = http2.createServer({ maxSessionMemory: MEMORY_MIB });
    origin.on('session', (session) => sessions.push(session));
    origin.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      stream.respond({ ':status': 200 });
      if (headers[':path'] !== '/big') stream.end('ok');
      else if (big.push(stream) === 2) for (const each of big) each.end(BIG);
    });
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    const { port } = origin.address() as AddressInfo;
    const proxy = await ProxyProcess.start(
      bootstrap({ origins: [port], cluster: { http2_protocol_options: WINDOWS } }),
      { args: ['--concurrency', '1', '--transport', transport] },
    );
    const slow = await Http2Client.connect(proxy.port);
    const other = await Http2Client.connect(proxy.port);
    try {
      const unread = [slow.stream({ ':path': '/big' }, true), slow.stream({ ':path': '/big' }, true)];
      const windowLeft = (): number => sessions[0]?.state.remoteWindowSize ?? 1;
      await proxy.until(() => windowLeft() <= 0);
      // Sent is not yet received, and what asks in between goes where the window ends.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const answers = await Promise.all(Array.from({ length: 8 }, () => other.request({ ':path': '/small' })));
      assert.deepEqual(new Set(answers.map(({ status, body }) => `${status} ${body.toString()}`)), new Set(['200 ok']));
      // At once: their own connection has one window for both.
      const lengths = unread.map(async (stream) => {
        let byteCount = 0;
        for await (const chunk of stream) byteCount += (chunk as Buffer).length;
        return byteCount;
      });
      assert.deepEqual(await Promise.all(lengths), [BIG.length, BIG.length]);
    } finally {
      await slow.close();
      await other.close();
      await proxy.stop();
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => origin.close(resolve));
    }
  });
