/** What is refused of HTTP/2, on real sockets: the stream alone is reset, and the log has Envoy's name of the reason. */
import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { frames } from '../support/http2-frames.js';
import { ProxyProcess } from '../support/proxy-process.js';

let origin: http.Server;
let proxy: ProxyProcess;

before(async () => {
  // Never answers: what ends here is ended by the client or by the proxy.
  origin = http.createServer(() => {});
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(origin.address() as AddressInfo).port],
      manager: {
        path_with_escaped_slashes_action: 'REJECT_REQUEST',
        common_http_protocol_options: { max_headers_count: 10, headers_with_underscores_action: 'REJECT_REQUEST' },
        access_log: [
          {
            name: 'envoy.access_loggers.stdout',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
              log_format: {
                text_format_source: {
                  inline_string:
                    'request: %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %REQ(:PATH)%\n',
                },
              },
            },
          },
        ],
      },
    }),
    { args: ['--concurrency', '1'] },
  );
});

after(async () => {
  origin.closeAllConnections();
  origin.close();
  assert.equal(await proxy.stop(), 0, proxy.log);
});

function logged(): string[] {
  return proxy.log.split('\n').filter((line) => line.startsWith('request: '));
}

async function logOf(...lines: string[]): Promise<string> {
  const before = logged().length;
  const socket = net.connect(proxy.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(frames('PREFACE', 'SETTINGS 0', ...lines));
  await proxy.until(() => logged().length > before);
  socket.destroy();
  return logged()[before] as string;
}

const CASES: readonly (readonly [name: string, log: string, ...lines: string[]])[] = [
  [
    'a field that is not valid',
    'request: HTTP/2 0 DPE http2.invalid.header.field -',
    'HEADERS 1 END_STREAM END_HEADERS [GET; X-Upper: y]',
  ],
  [
    'lengths that do not add up, in the head',
    'request: HTTP/2 0 DPE http2.violation.of.messaging.rule -',
    'HEADERS 1 END_STREAM END_HEADERS [POST; content-length: 4]',
  ],
  [
    'lengths that do not add up, in the body',
    'request: HTTP/2 0 DPE http2.violation.of.messaging.rule /',
    'HEADERS 1 END_HEADERS [POST; content-length: 4]',
    'DATA 1 END_STREAM "abc"',
  ],
  [
    'an underscore where they are refused',
    'request: HTTP/2 0 DPE http2.unexpected_underscore -',
    'HEADERS 1 END_STREAM END_HEADERS [GET; a_b: c]',
  ],
  [
    'too many fields',
    'request: HTTP/2 431 DPE http2.too_many_headers -',
    `HEADERS 1 END_STREAM END_HEADERS [GET${'; x: y'.repeat(20)}]`,
  ],
  [
    'a path that the config refuses',
    'request: HTTP/2 400 DPE path_normalization_failed /a%2fb',
    'HEADERS 1 END_STREAM END_HEADERS [:method: GET; :scheme: http; :path: /a%2fb; :authority: a]',
  ],
  [
    'a reset by the client',
    'request: HTTP/2 0 DR http2.remote_reset /',
    'HEADERS 1 END_HEADERS [POST]',
    'RST_STREAM 1 CANCEL',
  ],
];

for (const [name, log, ...lines] of CASES) test(name, async () => assert.equal(await logOf(...lines), log));

test('with a head that could not be read nothing of an earlier request is logged', async () => {
  const answers: string[] = [];
  for (const line of ['GET /a%2fb HTTP/1.1\r\nHost: a', 'GET / HTTP/1.1\r\nHost : a']) {
    const before = logged().length;
    const socket = net.connect(proxy.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`${line}\r\n\r\n`);
    await proxy.until(() => logged().length > before);
    answers.push(logged()[before] as string);
    socket.destroy();
  }
  assert.deepEqual(answers, [
    'request: HTTP/1.1 400 DPE path_normalization_failed /a%2fb',
    'request: HTTP/1.1 400 DPE http1.space_before_colon -',
  ]);
});

test('streams that we reset are counted as such, and resets by their codes', async () => {
  assert.equal(await proxy.stat('http.ingress.downstream_rq_tx_reset'), 4);
  assert.equal(await proxy.stat('http.ingress.downstream_rq_rx_reset'), 1);
  assert.equal(await proxy.stat('http.ingress.http2.rx_reset'), 1);
  assert.equal(await proxy.stat('http.ingress.http2.rx_reset.cancel'), 1);
  assert.equal(
    await proxy.stat('http.ingress.http2.tx_reset.protocol_error'),
    await proxy.stat('http.ingress.http2.tx_reset'),
  );
  assert.equal(await proxy.stat('http.ingress.downstream_rq_active'), 0);
});

test('a broken preface ends the connection without an answer', async () => {
  const socket = net.connect(proxy.port, '127.0.0.1');
  let received = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    received += chunk.toString();
  });
  socket.write('INVALID CONNECTION PREFACE\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  assert.equal(received, '');
});

for (const version of ['HTTP/1.1', 'HTTP/2'] as const)
  for (const end of ['FIN', 'RST'] as const)
    test(`${version}: a client whose connection ends by ${end} in the middle of a body has disconnected`, async () => {
      const before = logged().length;
      const socket = net.connect(proxy.port, '127.0.0.1');
      socket.on('error', () => {});
      if (version === 'HTTP/1.1') socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc');
      else socket.write(frames('PREFACE', 'SETTINGS 0', 'HEADERS 1 END_HEADERS [POST]'));
      await proxy.until(async () => (await proxy.stat('http.ingress.downstream_rq_active')) === 1);
      if (end === 'FIN') socket.end();
      else socket.resetAndDestroy();
      await proxy.until(() => logged().length > before);
      socket.destroy();
      assert.equal(logged()[before], `request: ${version} 0 DC downstream_remote_disconnect /`);
    });
