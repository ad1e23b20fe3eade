/** HTTP/2 with the programs of other projects: curl and nghttp as clients, h2load as many of them, nghttpd as the origin. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { curl } from '../support/curl.js';
import { type EchoOrigin, echoOrigin } from '../support/echo-origins.js';
import { requireProgram } from '../support/nginx.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';

const FILE = randomBytes(3 << 20);

let directory: string;
let nghttpd: ChildProcess;
let origin: EchoOrigin;
let toNghttpd: ProxyProcess;
let toHttp1: ProxyProcess;

before(async () => {
  requireProgram('nghttpd', '--version');
  requireProgram('h2load', '--version');
  requireProgram('nghttp', '--version');
  directory = mkdtempSync(join(tmpdir(), 'millrace-nghttpd-'));
  writeFileSync(join(directory, 'file'), FILE);
  writeFileSync(join(directory, 'small'), 'small');
  const port = await freePort();
  nghttpd = spawn(
    'nghttpd',
    ['--no-tls', '--address=127.0.0.1', '-d', directory, '--trailer', 'x-end: yes', String(port)],
    {
      stdio: 'ignore',
    },
  );
  origin = await echoOrigin(1);
  const routes = [
    { match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
    { match: { prefix: '/' }, route: { cluster: 'origin' } },
  ];
  toNghttpd = await ProxyProcess.start(bootstrap({ origins: [port], routes, cluster: { http2_protocol_options: {} } }));
  toHttp1 = await ProxyProcess.start(bootstrap({ origins: [origin.port], routes }));
  await toNghttpd.until(async () => {
    const { output } = await curl(['--http2-prior-knowledge', `http://127.0.0.1:${toNghttpd.port}/small`]);
    return output.toString() === 'small';
  });
});
after(async () => {
  await toNghttpd?.stop();
  await toHttp1?.stop();
  await origin?.close();
  nghttpd?.kill();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

function run(
  program: string,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(program, args);
  let text = '';
  const take = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, text }));
  });
}

test('curl fetches a file from nghttpd, whole, over HTTP/2 and over HTTP/1.1', async () => {
  for (const version of ['--http2-prior-knowledge', '--http1.1']) {
    const { code, output } = await curl([version, `http://127.0.0.1:${toNghttpd.port}/file`]);
    assert.equal(code, 0);
    assert.ok(output.equals(FILE));
  }
});

test('curl uploads a file with and without its length, and gets it back', async () => {
  for (const args of [[], ['-H', 'Content-Length:']]) {
    const url = `http://127.0.0.1:${toHttp1.port}/echo`;
    const { code, output } = await curl(['--http2-prior-knowledge', ...args, '--data-binary', '@-', url], FILE);
    assert.equal(code, 0);
    assert.ok(output.equals(FILE));
  }
});

test('curl asks for 100-continue, and gets it from the origin', async () => {
  const url = `http://127.0.0.1:${toHttp1.port}/hash`;
  const { code, notes } = await curl(
    ['--http2-prior-knowledge', '-H', 'Expect: 100-continue', '--data-binary', '@-', url],
    Buffer.from('body'),
  );
  assert.equal(code, 0);
  assert.match(notes, /< HTTP\/2 100/);
});

test('nghttp: many requests on one connection, a trailer, statistics of both', async () => {
  const url = `http://127.0.0.1:${toNghttpd.port}/small`;
  const { code, text } = await run('nghttp', ['-v', '-m', '20', '--no-dep', url]);
  assert.equal(code, 0);
  assert.equal(text.match(/recv \(stream_id=\d+\) :status: 200/g)?.length, 20);
  assert.equal(text.match(/recv \(stream_id=\d+\) x-end: yes/g)?.length, 20);
  // Uploads with a trailer.
  const up = await run('nghttp', [
    '-v',
    '--no-dep',
    '--no-content-length',
    '-d',
    join(directory, 'small'),
    '--trailer',
    'x-check: 1',
    `http://127.0.0.1:${toHttp1.port}/trailers`,
  ]);
  assert.equal(up.code, 0);
  assert.match(up.text, /"x-check":"1"/);
});

for (const [name, proxy] of [
  ['HTTP/1.1', () => toHttp1],
  ['HTTP/2', () => toNghttpd],
] as const)
  test(`h2load: 10,000 requests on 10 connections, 32 at a time each, to ${name}: every one succeeds`, async () => {
    const path = name === 'HTTP/2' ? '/small' : '/bytes?bytes=5&length';
    const { code, text } = await run('h2load', ['-n10000', '-c10', '-m32', `http://127.0.0.1:${proxy().port}${path}`]);
    assert.equal(code, 0);
    assert.match(text, /10000 total, 10000 started, 10000 done, 10000 succeeded, 0 failed, 0 errored, 0 timeout/);
    assert.equal(await proxy().stat('cluster.origin.upstream_rq_active'), 0);
    assert.equal(await proxy().stat('http.ingress.downstream_rq_active'), 0);
  });

test('h2load with the smallest windows: frames of one byte would do', async () => {
  const { text } = await run('h2load', [
    '-n50',
    '-c2',
    '-m5',
    '-w10',
    '-W16',
    `http://127.0.0.1:${toNghttpd.port}/file`,
  ]);
  assert.match(text, /50 succeeded, 0 failed, 0 errored, 0 timeout/);
});
