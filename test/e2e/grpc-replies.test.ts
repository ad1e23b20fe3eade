/** Answers of our own to gRPC requests: a response of trailers only, whatever the fault, redirect or direct response. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';

const GRPC = 'application/grpc+proto';
let proxy: ProxyProcess;
let origin: http.Server;
/** Request headers as the origin got them. */
let received: http.IncomingHttpHeaders = {};

before(async () => {
  origin = http.createServer((request, response) => {
    received = request.headers;
    if (request.url === '/origin/breaks') {
      response.writeHead(200, { 'content-type': 'application/grpc' });
      response.write('x', () => setTimeout(() => response.destroy(), 50));
      return;
    }
    if (request.url?.startsWith('/slow') === true) return;
    response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' });
    response.write('x');
    response.addTrailers({ 'grpc-status': request.url === '/fails' ? '9' : '0' });
    response.end();
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const to = (prefix: string, action: object): object => ({ match: { prefix }, ...action });
  const cluster = { cluster: 'origin' };
  const routes = [
    { match: { prefix: '/only', grpc: {} }, direct_response: { status: 403, body: { inline_string: 'no 100%\n' } } },
    to('/only', { direct_response: { status: 200, body: { inline_string: 'plain' } } }),
    to('/moved', { redirect: { path_redirect: '/new' } }),
    to('/nowhere', { route: { cluster: 'gone' } }),
    to('/odd', { route: { cluster: 'gone', cluster_not_found_response_code: 'NOT_FOUND' } }),
    to('/slow/duration', {
      route: {
        ...cluster,
        max_stream_duration: { grpc_timeout_header_max: '60s', grpc_timeout_header_offset: '0.02s' },
      },
    }),
    to('/slow/older', { route: { ...cluster, max_grpc_timeout: '0.1s', grpc_timeout_offset: '0.01s' } }),
    to('/capped', { route: { ...cluster, max_stream_duration: { grpc_timeout_header_max: '1s' } } }),
    to('/origin', { route: cluster }),
    to('/fails', { route: cluster }),
  ];
  const log = {
    name: 'log',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
      log_format: {
        text_format:
          'LOG %REQ(:PATH)% %GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER% %TRAILER(grpc-status)%\n',
      },
    },
  };
  const port = (origin.address() as AddressInfo).port;
  const routeConfig = {
    validate_clusters: false,
    virtual_hosts: [{ name: 'all', domains: ['*'], routes }],
  };
  proxy = await ProxyProcess.start(
    bootstrap({
      origins: [port],
      manager: { route_config: routeConfig, access_log: [log], http_protocol_options: { accept_http_10: true } },
    }),
  );
});
after(async () => {
  await proxy.stop();
  origin.closeAllConnections();
  origin.close();
});

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}
function ask(path: string, type = GRPC, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port: proxy.port, path, method: 'POST', headers: { ...headers, 'content-type': type } },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      },
    );
    request.on('error', reject);
    request.end();
  });
}
async function grpc(path: string, headers: Record<string, string> = {}): Promise<[string?, string?]> {
  const answer = await ask(path, GRPC, headers);
  assert.equal(answer.status, 200, path);
  assert.equal(answer.headers['content-type'], 'application/grpc');
  assert.equal(answer.body, '');
  return [answer.headers['grpc-status'] as string, answer.headers['grpc-message'] as string];
}

test('faults: status by the table, the reason in grpc-message', async () => {
  assert.deepEqual(await grpc('/missing'), ['12', undefined]);
  assert.deepEqual(await grpc('/nowhere'), ['14', undefined]);
  assert.deepEqual(await grpc('/odd'), ['12', undefined]);
  const plain = await ask('/missing', 'application/grpc-web');
  assert.equal(plain.status, 404);
});

test('direct responses and redirects; the grpc match tells gRPC from others', async () => {
  assert.deepEqual(await grpc('/only'), ['7', 'no 100%25']);
  const plain = await ask('/only', 'application/json');
  assert.deepEqual([plain.status, plain.body, plain.headers['grpc-status']], [200, 'plain', undefined]);
  const moved = await ask('/moved');
  assert.deepEqual(
    [moved.status, moved.headers['grpc-status'], moved.headers.location],
    [200, '2', `http://127.0.0.1:${proxy.port}/new`],
  );
});

test('grpc-timeout ends a call as the route allows, with DEADLINE_EXCEEDED', async () => {
  assert.deepEqual(await grpc('/slow/duration', { 'grpc-timeout': '120m' }), ['4', 'downstream duration timeout']);
  assert.equal(received['grpc-timeout'], '100m');
  assert.deepEqual(await grpc('/slow/older', { 'grpc-timeout': '5S' }), ['4', 'upstream request timeout']);
  assert.equal(received['grpc-timeout'], '100m');
  assert.equal(received['x-envoy-expected-rq-timeout-ms'], '100');
  assert.deepEqual(await grpc('/slow/older', { 'grpc-timeout': '60m' }), ['4', 'upstream request timeout']);
  assert.equal(received['grpc-timeout'], '50m');
  await ask('/capped', GRPC, { 'grpc-timeout': '1H' });
  assert.equal(received['grpc-timeout'], '1000m');
  await ask('/origin', GRPC, { 'grpc-timeout': '1H' });
  assert.equal(received['grpc-timeout'], '1H');
});

test('a body that breaks off ends with a status where the client gets trailers, and is cut where it does not', async () => {
  const answer = async (version: string): Promise<readonly [string, boolean]> => {
    const client = await RawClient.connect(proxy.port);
    client.send(`POST /origin/breaks ${version}\r\nHost: a\r\nContent-Type: ${GRPC}\r\nContent-Length: 0\r\n\r\n`);
    const text = await client.until(
      (received) => received.includes('grpc-status') || client.isClosed || client.isEnded,
    );
    client.close();
    return [text, client.isEnded];
  };
  assert.match((await answer('HTTP/1.1'))[0], /\r\n1\r\nx\r\n0\r\ngrpc-status: 14\r\n/);
  // By a FIN the body would look whole.
  const [older, isEnded] = await answer('HTTP/1.0');
  assert.match(older, /^HTTP\/1\.1 200 /);
  assert.equal(isEnded, false);
  await proxy.until(() => Promise.resolve((proxy.log.match(/LOG \/origin\/breaks /g) ?? []).length === 2));
});

test('the log has the status from trailers, from our own answers, and none of what is not gRPC', async () => {
  await ask('/fails');
  await ask('/only', 'text/plain');
  const wanted = [
    'LOG /fails FailedPrecondition FAILED_PRECONDITION 9 9',
    'LOG /only PermissionDenied PERMISSION_DENIED 7 -',
    'LOG /only - - - -',
    'LOG /slow/older DeadlineExceeded DEADLINE_EXCEEDED 4 -',
    'LOG /nowhere Unavailable UNAVAILABLE 14 -',
  ];
  await proxy.until(() => Promise.resolve(wanted.every((line) => proxy.log.includes(`${line}\n`))));
});
