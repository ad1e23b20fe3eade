/** gRPC by @grpc/grpc-js on every path: over TLS with ALPN and without, through one proxy and two, on both transports. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { compressionAlgorithms, status } from '@grpc/grpc-js';
import { bootstrap } from '../support/bootstrap.js';
import { ended, GrpcEcho, GrpcEchoClient } from '../support/grpc-echo.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, TlsFiles, tlsCertificate, upstreamTls } from '../support/tls-files.js';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const STREAMS_MAX = 8;
const BIG = randomBytes(4 << 20);
const files = new TlsFiles();
const made = files.issue('every', { san: 'DNS:every.example,IP:127.0.0.1' });
const authority = readFileSync(files.certificate);
const pair = { cert_chain: readFileSync(made.certificate), private_key: readFileSync(made.key) };
after(() => files.remove());

interface Path {
  readonly isSecure: boolean;
  readonly hops: number;
  readonly transport: string;
}

function config(to: number, { isSecure }: Path): (port: number, adminPort: number) => string {
  const http2 = { max_concurrent_streams: STREAMS_MAX };
  const protocol = isSecure
    ? { auto_config: { http2_protocol_options: http2 } }
    : { explicit_http_config: { http2_protocol_options: http2 } };
  const text = bootstrap({
    origins: [to],
    manager: { stream_idle_timeout: '0s', http2_protocol_options: { max_concurrent_streams: STREAMS_MAX * 2 } },
    routes: [
      {
        match: { prefix: '/', grpc: {} },
        route: { cluster: 'origin', timeout: '0s', max_stream_duration: { grpc_timeout_header_max: '0s' } },
      },
    ],
    cluster: {
      typed_extension_protocol_options: { [OPTIONS]: { '@type': `type.googleapis.com/${OPTIONS}`, ...protocol } },
      ...(isSecure && {
        transport_socket: upstreamTls(
          { validation_context: { trusted_ca: { filename: files.certificate } } },
          { sni: 'every.example' },
        ),
      }),
    },
  });
  return (port, adminPort) => {
    const document = JSON.parse(text(port, adminPort)) as {
      static_resources: { listeners: { filter_chains: { transport_socket?: object }[] }[] };
    };
    const chain = document.static_resources.listeners[0]?.filter_chains[0] as { transport_socket?: object };
    if (isSecure)
      chain.transport_socket = downstreamTls({ tls_certificates: [tlsCertificate(made)], alpn_protocols: ['h2'] });
    return JSON.stringify(document);
  };
}

class World {
  readonly path: Path;
  readonly echo: GrpcEcho;
  readonly proxies: readonly ProxyProcess[];
  readonly client: GrpcEchoClient;

  private constructor(path: Path, echo: GrpcEcho, proxies: readonly ProxyProcess[]) {
    this.path = path;
    this.echo = echo;
    this.proxies = proxies;
    this.client = this.newClient();
  }

  static async open(path: Path): Promise<World> {
    const echo = await GrpcEcho.start(path.isSecure ? pair : undefined);
    const proxies: ProxyProcess[] = [];
    for (let i = 0; i < path.hops; i++) {
      const to = proxies[0]?.port ?? echo.port;
      const args = ['--concurrency', '1', '--transport', path.transport];
      proxies.unshift(await ProxyProcess.start(config(to, path), { args }));
    }
    return new World(path, echo, proxies);
  }

  newClient(options: object = {}): GrpcEchoClient {
    const named = { 'grpc.ssl_target_name_override': 'every.example', ...options };
    return new GrpcEchoClient(this.first.port, named, this.path.isSecure ? authority : null);
  }

  get first(): ProxyProcess {
    return this.proxies[0] as ProxyProcess;
  }

  async close(): Promise<void> {
    this.client.close();
    for (const proxy of this.proxies) await proxy.stop();
    this.echo.kill();
  }
}

const PATHS: readonly Path[] = [
  { isSecure: true, hops: 1, transport: 'native' },
  { isSecure: true, hops: 1, transport: 'node' },
  { isSecure: false, hops: 2, transport: 'native' },
  { isSecure: true, hops: 2, transport: 'native' },
];

for (const path of PATHS)
  describe(`${path.isSecure ? 'TLS' : 'h2c'}, ${path.hops} of ${path.transport}`, async () => {
    const world = await World.open(path);
    after(() => world.close());
    const { client, echo, first } = world;

    test('unary: metadata with binary, trailers, statuses, compressed, 4 MiB', async () => {
      const answer = await client.unary(BIG, { 'x-own-bin': Buffer.from([0, 1, 254, 255]) });
      assert.deepEqual([answer.code, answer.details], [status.OK, 'OK']);
      assert.ok(answer.message?.equals(BIG));
      assert.deepEqual(echo.seen.metadata.get('x-own-bin'), [Buffer.from([0, 1, 254, 255])]);
      assert.deepEqual(answer.trailer.get('x-bin'), [Buffer.from([0, 255, 10])]);
      const failed = await client.unary(Buffer.from('x'), { 'x-fail': '7 not you: 100%' });
      assert.deepEqual([failed.code, failed.details], [status.PERMISSION_DENIED, 'not you: 100%']);
      const gzip = world.newClient({ 'grpc.default_compression_algorithm': compressionAlgorithms.gzip });
      const text = Buffer.alloc(100_000, 'compress me ');
      assert.ok((await gzip.unary(text)).message?.equals(text));
      gzip.close();
    });

    test('streams in both directions, as they come', async () => {
      let count = 0;
      const stream = client.serverStream(BIG, { 'x-count': '3' });
      stream.on('data', (message: Buffer) => (count += message.length));
      assert.equal((await ended(stream)).code, status.OK);
      assert.equal(count, 3 * BIG.length);
      assert.equal(await client.clientStream([BIG, BIG]), 2 * BIG.length);
      const bidi = client.bidi();
      const over = ended(bidi);
      for (let i = 0; i < 5; i++) {
        bidi.write(Buffer.from(`message ${i}`));
        assert.equal(String((await once(bidi, 'data'))[0]), `message ${i}`);
      }
      bidi.end();
      assert.equal((await over).code, status.OK);
    });

    test('cancel and deadline reach the server', async () => {
      const before = echo.seen.cancelled;
      const bidi = client.bidi({ 'x-cancelled': '1' });
      const over = ended(bidi);
      bidi.write(Buffer.from('x'));
      await once(bidi, 'data');
      bidi.cancel();
      assert.equal((await over).code, status.CANCELLED);
      await first.until(() => echo.seen.cancelled === before + 1);
      const late = await client.unary(Buffer.from('x'), { 'x-wait': '1' }, { deadline: Date.now() + 200 });
      assert.equal(late.code, status.DEADLINE_EXCEEDED);
      assert.ok(echo.seen.deadlineMs > 0 && echo.seen.deadlineMs <= 200);
    });

    test('more streams at once than any connection takes', async () => {
      const calls = Array.from({ length: STREAMS_MAX * 5 }, () => client.bidi());
      const over = Promise.all(calls.map(ended));
      for (const [i, call] of calls.entries()) {
        call.write(Buffer.from(String(i)));
        call.once('data', (message: Buffer) => {
          assert.equal(String(message), String(i));
          call.end();
        });
      }
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => client.unary(Buffer.from(String(i)))));
      assert.deepEqual(
        answers.map(({ message }) => String(message)),
        answers.map((_, i) => String(i)),
      );
      assert.ok((await over).every(({ code }) => code === status.OK));
    });

    test('a client that pings often keeps its connection', async () => {
      const pinging = world.newClient({ 'grpc.keepalive_time_ms': 10, 'grpc.keepalive_permit_without_calls': 1 });
      const bidi = pinging.bidi();
      const over = ended(bidi);
      for (let i = 0; i < 5; i++) {
        bidi.write(Buffer.from(`message ${i}`));
        assert.equal(String((await once(bidi, 'data'))[0]), `message ${i}`);
        // Long enough for pings with nothing between them.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      bidi.end();
      assert.equal((await over).code, status.OK);
      assert.equal(await first.stat('http.ingress.http2.inbound_control_frames_flood'), 0);
      pinging.close();
    });

    test('a server on its way out finishes its streams; one that is killed ends them as UNAVAILABLE', async () => {
      const bidi = client.bidi();
      const over = ended(bidi);
      bidi.write(Buffer.from('before'));
      assert.equal(String((await once(bidi, 'data'))[0]), 'before');
      // GOAWAY, and nobody listens any more.
      echo.server.tryShutdown(() => undefined);
      bidi.write(Buffer.from('after'));
      assert.equal(String((await once(bidi, 'data'))[0]), 'after');
      const refused = await client.unary(Buffer.from('x'));
      assert.equal(refused.code, status.UNAVAILABLE);
      bidi.write(Buffer.from('still'));
      assert.equal(String((await once(bidi, 'data'))[0]), 'still');
      echo.kill();
      bidi.resume();
      assert.equal((await over).code, status.UNAVAILABLE);
    });
  });
