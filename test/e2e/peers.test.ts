/** Real peers end to end: curl as client, nginx as origin and as the proxy in front, node:http with its agent. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { type CurlRun, curl } from '../support/curl.js';
import { Nginx, requireProgram } from '../support/nginx.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';

const FILE = randomBytes(3 << 20);
const TEXT = Buffer.from('all work and no play makes jack a dull boy\n'.repeat(500));
const UPLOAD = randomBytes(2 << 20);
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let nginx: Nginx;
let echo: http.Server;
let proxy: ProxyProcess;
let frontPort: number;
const url = (path: string): string => `http://127.0.0.1:${proxy.port}${path}`;

/** Answers what it received. */
function startEcho(): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const hash = createHash('sha256');
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      length += chunk.length;
    });
    request.on('end', () => {
      const { method, headers, httpVersion } = request;
      response.end(
        JSON.stringify({ method, url: request.url, headers, httpVersion, length, digest: hash.digest('hex') }),
      );
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly length: number;
  readonly digest: string;
}

function seen(run: CurlRun): Seen {
  assert.equal(run.code, 0, run.notes);
  return JSON.parse(run.output.toString()) as Seen;
}

/** Status lines and fields that curl received, as -v shows them. */
const received = (run: CurlRun): string =>
  [...run.notes.matchAll(/^< (.*?)\r?$/gm)].map((match) => (match[1] as string).toLowerCase()).join('\n');

function cluster(name: string, address: unknown): unknown {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address } }] }];
  return { name, type: 'STATIC', connect_timeout: '1s', load_assignment: { cluster_name: name, endpoints } };
}

/** bootstrap() and two more clusters: node:http, and nginx by its unix socket. */
function config(originPort: number, echoPort: number): (port: number, adminPort: number) => string {
  const text = bootstrap({
    origins: [originPort],
    manager: {
      http_protocol_options: { accept_http_10: true },
      upgrade_configs: [{ upgrade_type: 'websocket' }],
    },
    routes: [
      { match: { prefix: '/echo' }, route: { cluster: 'echo' } },
      { match: { prefix: '/unix/' }, route: { cluster: 'unix', prefix_rewrite: '/' } },
      { match: { prefix: '/' }, route: { cluster: 'origin' } },
    ],
  });
  return (port, adminPort) => {
    const document = JSON.parse(text(port, adminPort)) as { static_resources: { clusters: unknown[] } };
    document.static_resources.clusters.push(
      cluster('echo', { socket_address: { address: '127.0.0.1', port_value: echoPort } }),
      cluster('unix', { pipe: { path: nginx.socketPath } }),
    );
    return JSON.stringify(document);
  };
}

before(async () => {
  requireProgram('curl', '--version');
  nginx = new Nginx();
  nginx.write('file.bin', FILE);
  nginx.write('text.txt', TEXT);
  echo = await startEcho();
  const originPort = await freePort();
  frontPort = await freePort();
  const echoPort = (echo.address() as AddressInfo).port;
  proxy = await ProxyProcess.start(config(originPort, echoPort));
  await nginx.start(
    `server { listen 127.0.0.1:${originPort}; listen unix:${nginx.socketPath}; root ${nginx.directory}/www;
       location /take { client_max_body_size 0; return 200 "taken"; }
       location /small { client_max_body_size 1k; proxy_pass http://127.0.0.1:${echoPort}; } }
     server { listen 127.0.0.1:${frontPort}; client_max_body_size 0;
       location / { proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
         proxy_pass http://127.0.0.1:${proxy.port}; proxy_http_version 1.1; proxy_set_header Connection "";
         proxy_request_buffering off; proxy_buffering off; }
       location /as-http10/ { proxy_pass http://127.0.0.1:${proxy.port}/; } }`,
    originPort,
  );
});

after(async () => {
  const code = await proxy?.stop();
  await nginx?.stop();
  echo?.close();
  echo?.closeAllConnections();
  assert.equal(code, 0, proxy?.log);
});

test("curl: a file of nginx's comes whole, with its validators, and its connection is reused", async () => {
  const run = await curl([url('/file.bin'), url('/file.bin'), url('/file.bin')]);
  assert.equal(run.code, 0, run.notes);
  assert.equal(sha(run.output), sha(Buffer.concat([FILE, FILE, FILE])));
  assert.match(received(run), /^etag: "/m);
  assert.match(received(run), /^accept-ranges: bytes$/m);
  assert.equal(run.notes.match(/Re-using existing connection/g)?.length, 2, run.notes);
});

test('curl -0: an HTTP/1.0 request is answered whole and the connection ends', async () => {
  const run = await curl(['-0', url('/file.bin')]);
  assert.equal(run.code, 0, run.notes);
  assert.equal(sha(run.output), sha(FILE));
  assert.match(received(run), /^connection: close$/m);
  assert.doesNotMatch(received(run), /^transfer-encoding/m);
});

test('curl -I: a head with the length and no body; the next request goes over the same connection', async () => {
  const run = await curl(['-I', url('/file.bin'), url('/text.txt')]);
  assert.equal(run.code, 0, run.notes);
  assert.match(received(run), new RegExp(`^content-length: ${FILE.length}$`, 'm'));
  assert.match(received(run), new RegExp(`^content-length: ${TEXT.length}$`, 'm'));
  assert.match(run.notes, /Re-using existing connection/);
});

test('curl --range: parts, several parts, past the end; If-None-Match', async () => {
  const part = await curl(['--range', '1000000-1000099', url('/file.bin')]);
  assert.match(received(part), /^http\/1\.1 206 /m);
  assert.match(received(part), new RegExp(`^content-range: bytes 1000000-1000099/${FILE.length}$`, 'm'));
  assert.deepEqual(part.output, FILE.subarray(1000000, 1000100));
  const parts = await curl(['--range', '0-9,20-29', url('/file.bin')]);
  assert.match(received(parts), /^content-type: multipart\/byteranges/m);
  assert.ok(parts.output.includes(FILE.subarray(20, 30)));
  assert.match(received(await curl(['--range', '99999999-', url('/file.bin')])), /^http\/1\.1 416 /m);
  const etag = /^< etag: (.*?)\r?$/im.exec(part.notes)?.[1] as string;
  const unchanged = await curl(['-H', `If-None-Match: ${etag}`, url('/file.bin')]);
  assert.match(received(unchanged), /^http\/1\.1 304 /m);
  assert.equal(unchanged.output.length, 0);
});

test('curl --compressed: what nginx compresses on the way is passed on as it is', async () => {
  const run = await curl(['--compressed', url('/text.txt')]);
  assert.match(received(run), /^content-encoding: gzip$/m);
  assert.match(received(run), /^transfer-encoding: chunked$/m);
  assert.deepEqual(run.output, TEXT);
});

test('curl Expect: 100-continue: the origin says go on, the body arrives', async () => {
  const run = await curl(['-H', 'Expect: 100-continue', '--data-binary', '@-', url('/echo')], UPLOAD);
  assert.match(received(run), /^http\/1\.1 100 continue\n[\s\S]*http\/1\.1 200 /m);
  assert.equal(seen(run).digest, sha(UPLOAD));
});

test('curl -T -: a chunked upload from standard input arrives whole', async () => {
  const run = await curl(['-T', '-', url('/echo/put')], UPLOAD);
  const { method, headers, length, digest } = seen(run);
  assert.equal(method, 'PUT');
  assert.equal(headers['transfer-encoding'], 'chunked');
  assert.deepEqual([length, digest], [UPLOAD.length, sha(UPLOAD)]);
});

test('an origin that answers before it has the body: its 200 or 413 arrives, and the next request is served', async () => {
  const refused = await curl(['-H', 'Expect: 100-continue', '--data-binary', '@-', url('/small')], UPLOAD);
  assert.match(received(refused), /^http\/1\.1 413 /m, refused.notes);
  const taken = await curl(['-H', 'Expect:', '--data-binary', '@-', url('/take')], UPLOAD);
  assert.match(received(taken), /^http\/1\.1 200 /m, taken.notes);
  assert.equal(taken.output.toString(), 'taken');
  assert.equal((await curl([url('/text.txt')])).output.length, TEXT.length);
});

test('an origin on a unix socket', async () => {
  const run = await curl([url('/unix/file.bin'), url('/unix/text.txt')]);
  assert.equal(sha(run.output), sha(Buffer.concat([FILE, TEXT])), run.notes);
});

test('nginx in front: over kept connections, and with the HTTP/1.0 that is its default', async () => {
  const front = `http://127.0.0.1:${frontPort}`;
  for (let i = 0; i < 10; i++) assert.equal(sha((await curl([`${front}/file.bin`])).output), sha(FILE));
  assert.equal(sha((await curl([`${front}/as-http10/file.bin`])).output), sha(FILE));
  const upload = seen(await curl(['-T', '-', `${front}/echo/up`], UPLOAD));
  assert.deepEqual([upload.length, upload.digest], [UPLOAD.length, sha(UPLOAD)]);
  assert.equal(upload.headers['x-forwarded-for'], '127.0.0.1,127.0.0.1');
  const old = seen(await curl(['--data-binary', '@-', `${front}/as-http10/echo/old`], UPLOAD));
  assert.equal(old.digest, sha(UPLOAD));
});

function get(agent: http.Agent, path: string): Promise<{ localPort: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port: proxy.port, host: '127.0.0.1', path, agent }, (response) => {
      const localPort = response.socket.localPort as number;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ localPort, text: Buffer.concat(chunks).toString('latin1') }));
    });
    request.on('error', reject);
  });
}

test("node:http's agent keeps its connection over origins of both kinds", async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number>();
  for (let i = 0; i < 10; i++) {
    ports.add((await get(agent, '/echo')).localPort);
    const { localPort, text } = await get(agent, '/text.txt');
    ports.add(localPort);
    assert.equal(text, TEXT.toString());
  }
  agent.destroy();
  assert.equal(ports.size, 1);
});
