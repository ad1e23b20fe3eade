/** ClientHello: what it reads of real clients, in pieces and records of any size; what is no TLS and what is broken. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { ClientHello, HELLO_BROKEN, HELLO_OTHER, HELLO_PARTIAL, HELLO_TLS } from '../../../engine/io/client-hello.js';
import { alpn, message, records, serverName, signatures, versions } from '../../support/client-hello-bytes.js';

function read(bytes: Uint8Array): ClientHello {
  const hello = new ClientHello();
  hello.feed(bytes, 0, bytes.length);
  return hello;
}

const FULL = message({
  extensions: [
    [0x2a2a, []],
    serverName('A.Example.com'),
    alpn('h2', 'http/1.1'),
    versions(0x7a7a, 0x0304, 0x0303),
    signatures(0x0403, 0x0804),
  ],
});

test('name, protocols, version, signature algorithms', () => {
  const hello = read(records(FULL));
  assert.equal(hello.state, HELLO_TLS);
  assert.equal(hello.serverName, 'a.example.com');
  assert.deepEqual(hello.alpn, ['h2', 'http/1.1']);
  assert.equal(hello.version, 0x0304);
  assert.deepEqual(hello.signatureAlgorithms, [0x0403, 0x0804]);
});

test('the same in records and pieces of any size, from any place in the array, with bytes behind', () => {
  for (const recordBytes of [1, 3, 50]) {
    const bytes = records(FULL, recordBytes);
    for (const pieceBytes of [1, 2, 7, 1000]) {
      const hello = new ClientHello();
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        // A lent array, overwritten afterwards.
        const lent = Uint8Array.from([9, 9, ...bytes.subarray(at, at + pieceBytes)]);
        if (at + pieceBytes < bytes.length) assert.equal(hello.feed(lent, 2, lent.length), HELLO_PARTIAL);
        else hello.feed(lent, 2, lent.length);
        lent.fill(0xaa);
      }
      assert.equal(hello.state, HELLO_TLS);
      assert.equal(hello.serverName, 'a.example.com');
    }
  }
  assert.equal(read(Uint8Array.from([...records(FULL), 0, 1, 2])).state, HELLO_TLS);
});

test('without extensions; without a name: TLS 1.2 allows both', () => {
  const old = read(records(message({ extensions: null, version: 0x0303 })));
  assert.deepEqual([old.state, old.version, old.serverName, old.alpn], [HELLO_TLS, 0x0303, '', []]);
  assert.equal(read(records(message())).state, HELLO_TLS);
});

test('the first byte says that it is no TLS; a plain protocol is known at once', () => {
  for (const text of ['GET / HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n', '\x80\x2e\x01', '\x15\x03\x01'])
    assert.equal(read(Buffer.from(text, 'latin1')).state, HELLO_OTHER, text);
  assert.equal(read(Uint8Array.of(22, 9)).state, HELLO_OTHER);
  assert.equal(read(Uint8Array.of(22)).state, HELLO_PARTIAL);
});

const BROKEN: readonly (readonly [string, Uint8Array])[] = [
  ['an empty record', Uint8Array.of(22, 3, 1, 0, 0)],
  ['a record above the limit', Uint8Array.of(22, 3, 1, 0x40, 1)],
  ['another message', records([2, 0, 0, 4, 1, 2, 3, 4])],
  ['longer than anybody has', records([1, 0, 0x40, 1, 0])],
  ['a record of another type in the middle', Uint8Array.from([...records(FULL.slice(0, 20)), 23, 3, 3, 0, 1, 0])],
  ['shorter than its fixed parts', records([1, 0, 0, 10, ...new Array<number>(10).fill(0)])],
  ['a session id above 32 bytes', records(message({ sessionBytes: 33 }))],
  ['no cipher suite', records(message({ suites: [] }))],
  ['no compression method', records(message({ compressions: [] }))],
  ['bytes behind the extensions', records([1, 0, 0, FULL.length - 3, ...FULL.slice(4), 0])],
  ['an extension above the end', records(message({ extensions: [[0, [0, 9, 0]]] }))],
  ['two names', records(message({ extensions: [serverName('a', 'b')] }))],
  ['an empty name', records(message({ extensions: [serverName('')] }))],
  ['a name with NUL', records(message({ extensions: [serverName('a\0b')] }))],
  ['a name with a space', records(message({ extensions: [serverName('a b')] }))],
  ['a name in UTF-8', records(message({ extensions: [serverName('\xc3\xa4')] }))],
  ['a name above 255 bytes', records(message({ extensions: [serverName('a'.repeat(256))] }))],
  ['the name twice', records(message({ extensions: [serverName('a'), serverName('b')] }))],
  ['an empty list of protocols', records(message({ extensions: [alpn()] }))],
  ['an empty protocol', records(message({ extensions: [alpn('h2', '')] }))],
  ['a list of versions of an odd length', records(message({ extensions: [[43, [3, 3, 4, 3]]] }))],
  ['no version', records(message({ extensions: [versions()] }))],
  ['half a signature algorithm', records(message({ extensions: [[13, [0, 3, 4, 3, 8]]] }))],
];
for (const [what, bytes] of BROKEN)
  test(`broken: ${what}`, () => {
    assert.equal(read(bytes).state, HELLO_BROKEN);
    // And so in pieces.
    const hello = new ClientHello();
    for (const byte of bytes) hello.feed(Uint8Array.of(byte), 0, 1);
    assert.equal(hello.state, HELLO_BROKEN);
  });

test('openssl and curl are read', async () => {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const hellos: ClientHello[] = [];
  server.on('connection', (socket) => {
    const hello = new ClientHello();
    hellos.push(hello);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (hello.feed(chunk, 0, chunk.length) !== HELLO_PARTIAL) socket.destroy();
    });
  });
  const { promisify } = await import('node:util');
  const { execFile } = await import('node:child_process');
  const run = promisify(execFile);
  assert.ok(execFileSync('openssl', ['version']).length > 0);
  const s = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'openssl.example', '-alpn', 'h2,spdy/1'];
  await run('openssl', s).catch(() => {});
  await run('curl', ['-sk', '--resolve', `curl.example:${port}:127.0.0.1`, `https://curl.example:${port}/`]).catch(
    () => {},
  );
  server.close();
  assert.deepEqual(
    hellos.map((hello) => [hello.state, hello.serverName, hello.version]),
    [
      [HELLO_TLS, 'openssl.example', 0x0304],
      [HELLO_TLS, 'curl.example', 0x0304],
    ],
  );
  assert.deepEqual(hellos[0]?.alpn, ['h2', 'spdy/1']);
});
