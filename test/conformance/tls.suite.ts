/** The laws of engine/io/tls.ts, for every transport that has TLS; the other end is node:tls. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import {
  DOWN_TLS_HANDSHAKE,
  DOWN_TLS_TIMEOUT,
  DOWN_TLS_VERIFY,
  UP_CONNECT_REFUSED,
  UP_CONNECT_TIMEOUT,
  UP_TLS_HANDSHAKE,
  UP_TLS_VERIFY,
} from '../../engine/fault/faults.js';
import {
  STAPLE_FAILED,
  STAPLE_OMITTED,
  STAPLE_SENT,
  TLS_1_2,
  TLS_1_3,
  type TlsContextOptions,
  type TlsStaple,
} from '../../engine/io/tls.js';
import { type Conn, HOLD_FILTER } from '../../engine/io/transport.js';
import { Authority, type Issued } from '../support/certificates.js';
import { RECORD_ALERT, RECORD_DATA, Tap } from './tls-tap.js';
import { certificateOf, openTls, type TlsPeer, type TlsWorld, tlsOptions } from './tls-world.js';
import { Recorder } from './transport-recorder.js';

export interface TlsFixture {
  readonly authority: Authority;
  readonly leaf: Issued;
  readonly rsaLeaf: Issued;
  readonly client: Issued;
  readonly expired: Issued;
  readonly revoked: Issued;
  readonly crlPem: string;
  readonly stranger: Authority;
  readonly strange: Issued;
}

export function makeFixture(): TlsFixture {
  const authority = new Authority('millrace test root');
  const stranger = new Authority('nobody knows this root');
  const names = 'DNS:example.com,IP:127.0.0.1';
  const revoked = authority.issue('revoked', { names });
  return {
    authority,
    stranger,
    leaf: authority.issue('example.com', { names }),
    rsaLeaf: authority.issue('example.com', { names, key: 'RSA', password: 'open sesame' }),
    client: authority.issue('a client', { names: 'URI:spiffe://example.com/client' }),
    expired: authority.issue('expired', { names, days: -1 }),
    revoked,
    crlPem: authority.revoke(revoked),
    strange: stranger.issue('example.com', { names }),
  };
}

function stapled(
  issued: Issued,
  ocspStaple: Uint8Array,
  ocspExpiresMs: number,
  ocspPolicy: 'lenient' | 'strict' | 'must',
): TlsContextOptions['certificates'][number] {
  return { ...certificateOf(issued), ocspStaple, ocspExpiresMs, ocspPolicy };
}

// An option of Node.js that its types leave out.
const ASK_OCSP = { requestOCSP: true } as tls.ConnectionOptions;

type Changes = Partial<TlsContextOptions>;
type Run = (world: TlsWorld, fixture: TlsFixture) => Promise<void>;

function credentials({ certificatePem, keyPem }: Issued): { cert: string; key: string } {
  return { cert: certificatePem, key: keyPem };
}

/** A client of the transport whose handshake is done. */
async function accept(world: TlsWorld, options: tls.ConnectionOptions = {}) {
  const owner = new Recorder(world.transport);
  owner.verdict = 0;
  const accepted: Conn[] = [];
  world.transport.onAccepted = (conn) => {
    conn.owner = owner;
    accepted.push(conn);
  };
  const peer = world.connect(options);
  await world.until('the handshake is done', () => accepted.length === 1);
  return { owner, peer, conn: accepted[0] as Conn };
}

async function refusal(world: TlsWorld): Promise<{ conn: Conn; fault: number }> {
  await world.until('the handshake fails', () => world.transport.refused.length === 1);
  return world.transport.refused[0] as { conn: Conn; fault: number };
}

function dial(world: TlsWorld): { owner: Recorder; conn: Conn } {
  const owner = new Recorder(world.transport);
  owner.verdict = 0;
  return { owner, conn: owner.calling(() => world.transport.dial(world.address, 5000, owner)) };
}

async function session(world: TlsWorld, options: tls.ConnectionOptions): Promise<Buffer> {
  const { peer, conn, owner } = await accept(world, options);
  owner.calling(() => conn.write(Buffer.from('!'), 0, 1));
  await world.until('the session came', () => peer.sessions.length > 0 && peer.received.length > 0);
  peer.tls.destroy();
  await world.until('it is closed', () => owner.isClosed || owner.calls.includes('peerEnd'));
  if (!owner.isClosed) owner.calling(() => conn.endAfterFlush(0));
  return peer.sessions.at(-1) as Buffer;
}

async function isResumed(world: TlsWorld, options: tls.ConnectionOptions): Promise<boolean> {
  const { peer, conn } = await accept(world, options);
  await world.until('the peer knows', () => peer.isSecure);
  assert.equal(peer.tls.isSessionReused(), conn.tls?.isResumed);
  return peer.tls.isSessionReused();
}

/** missing: laws that a transport can't keep, with the reason. */
export function tlsLaws(
  name: 'native' | 'node',
  fixture: TlsFixture,
  missing: Readonly<Record<string, string>> = {},
): void {
  const law = (what: string, changes: { server?: Changes; client?: Changes }, run: Run): void => {
    const skip = missing[what] ?? false;
    test(`${name}, TLS: ${what}`, { skip }, async () => {
      const world = await openTls(name, { authority: fixture.authority, leaf: fixture.leaf, ...changes });
      try {
        await run(world, fixture);
      } finally {
        await world.close();
      }
    });
  };
  sessionLaws(law, fixture);
  failureLaws(law, fixture);
  resumptionLaws(law, fixture);
  endLaws(law);
  contextLaws(law, fixture);
}

type Law = (what: string, changes: { server?: Changes; client?: Changes }, run: Run) => void;

function sessionLaws(law: Law, fixture: TlsFixture): void {
  law('T1: the handshake comes before the first bytes of an accepted connection', {}, async (world) => {
    const { owner, peer, conn } = await accept(world);
    peer.send(Buffer.from('hello'));
    await world.until('bytes come', () => owner.byteCount === 5);
    assert.deepEqual(owner.calls, ['handshake', 'bytes']);
    assert.ok(conn.secure);
    assert.equal(conn.bytesRead, 5);
  });

  law('T1: what was written before the handshake leaves after onOpen, in order', {}, async (world) => {
    const { owner, conn } = dial(world);
    const early = Buffer.alloc(100_000, 'early ');
    owner.calling(() => conn.write(early, 0, early.length));
    await world.until('it is open', () => owner.calls.includes('open') && world.dialled.length === 1);
    const [peer] = world.dialled as [TlsPeer];
    owner.calling(() => conn.write(Buffer.from('late'), 0, 4));
    await world.until('all came', () => peer.received.length === early.length + 4);
    assert.ok(peer.received.equals(Buffer.concat([early, Buffer.from('late')])));
    assert.deepEqual(owner.calls.slice(0, 2), ['handshake', 'open']);
  });

  law('a preface leaves as it is, and the handshake behind it', {}, async (world) => {
    const preface = Buffer.from('PROXY UNKNOWN\r\n');
    const seen: string[] = [];
    const server = net.createServer((socket) => {
      socket.once('readable', () => {
        seen.push(String(socket.read(preface.length)));
        const peer = new tls.TLSSocket(socket, { isServer: true, ...world.peerOptions });
        peer.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
        peer.on('error', () => {});
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const owner = new Recorder(world.transport);
    owner.verdict = 0;
    const { port } = server.address() as net.AddressInfo;
    const address = { family: 4, host: '127.0.0.1', port } as const;
    const { base, dialTls } = world.transport;
    const conn = owner.calling(() => base.dial(address, 5000, owner, dialTls, preface));
    owner.calling(() => conn.write(Buffer.from('hello'), 0, 5));
    await world.until('all came', () => seen.length === 2);
    assert.deepEqual(seen, [preface.toString(), 'hello']);
    assert.deepEqual(owner.calls.slice(0, 2), ['handshake', 'open']);
    assert.ok(conn.secure);
    owner.calling(() => conn.abort(UP_TLS_HANDSHAKE));
    await world.until('it is closed', () => owner.isClosed);
    server.close();
    const refused = new Recorder(world.transport);
    refused.calling(() => base.dial(address, 5000, refused, dialTls, preface));
    await world.until('nobody listens any more', () => refused.isClosed);
    assert.deepEqual(refused.calls, [`closed ${UP_CONNECT_REFUSED}`]);
  });

  law('T1: shutdownAfterFlush before the handshake sends what was written, then the end', {}, async (world) => {
    const { owner, conn } = dial(world);
    owner.calling(() => {
      conn.write(Buffer.from('all of it'), 0, 9);
      conn.shutdownAfterFlush();
    });
    await world.until('the peer has its end', () => world.dialled[0]?.hasEnd === true);
    assert.equal(world.dialled[0]?.received.toString(), 'all of it');
  });

  law('facts of both roles', { server: { alpn: ['h2', 'http/1.1'] }, client: { alpn: ['h2'] } }, async (world) => {
    const { conn } = await accept(world, { ALPNProtocols: ['http/1.1', 'h2'], ecdhCurve: 'P-256' });
    const facts = conn.tls;
    assert.ok(facts !== null);
    assert.equal(facts.version, 'TLSv1.3');
    assert.match(facts.cipher, /^TLS_(AES|CHACHA20)_/);
    assert.match(facts.group, /^(P-256|prime256v1|secp256r1)$/);
    assert.equal(facts.sni, 'example.com');
    assert.equal(facts.peerCertificateDer, null);
    assert.deepEqual(facts.peerChainDer, []);
    assert.equal(facts.verifyError, 0);
    assert.equal(facts.isResumed, false);
    assert.equal(conn.alpn, 'h2', 'the server prefers');
    const { leaf } = fixture;
    world.peerOptions = { ...world.peerOptions, ALPNProtocols: ['h2'] };
    const dialled = dial(world);
    await world.until('it is open', () => dialled.owner.calls.includes('open') && world.dialled.length === 1);
    assert.equal(dialled.conn.alpn, 'h2');
    assert.deepEqual(Buffer.from(dialled.conn.tls?.peerCertificateDer ?? []), leaf.certificate.raw);
    assert.deepEqual(
      dialled.conn.tls?.peerChainDer.map((der) => Buffer.from(der)),
      [leaf.certificate.raw],
    );
    assert.equal((world.dialled[0]?.tls as unknown as { servername: string }).servername, 'example.com');
  });

  law('no ALPN in common: none', { server: { alpn: ['h2'] } }, async (world) => {
    const { conn } = await accept(world, { ALPNProtocols: ['http/1.1'] });
    assert.equal(conn.alpn, '');
  });

  law('a dial may offer other protocols than its context', { client: { alpn: ['h2'] } }, async (world) => {
    world.peerOptions = { ...world.peerOptions, ALPNProtocols: ['h2', 'http/1.1'] };
    world.transport.dialTls = { ...world.transport.dialTls, alpn: ['http/1.1'] };
    const { owner, conn } = dial(world);
    await world.until('it is open', () => owner.calls.includes('open'));
    assert.equal(conn.alpn, 'http/1.1');
  });

  law('TLS 1.2 alone', { server: { maxVersion: TLS_1_2 }, client: { maxVersion: TLS_1_2 } }, async (world) => {
    const { conn, owner, peer } = await accept(world);
    assert.equal(conn.tls?.version, 'TLSv1.2');
    peer.send(Buffer.from('hello'));
    await world.until('bytes come', () => owner.byteCount === 5);
    const dialled = dial(world);
    await world.until('it is open', () => dialled.owner.calls.includes('open'));
    assert.equal(dialled.conn.tls?.version, 'TLSv1.2');
    assert.ok((dialled.conn.tls?.sessionId.length ?? 0) > 0);
  });

  law('T6: a handshake in pieces', {}, async (world) => {
    for (const pieceBytes of [1, 7]) {
      const tap = await Tap.open(world.listeningPort, pieceBytes);
      const { owner, peer } = await accept(world, { port: tap.port });
      peer.send(Buffer.alloc(1000, 'x'));
      await world.until('bytes come', () => owner.byteCount === 1000);
      tap.close();
    }
  });

  law(
    'writes of one turn are put together into records',
    { server: { sessionTickets: false, sessionCache: false } },
    async (world) => {
      const tap = await Tap.open(world.listeningPort);
      const { owner, peer, conn } = await accept(world, { port: tap.port });
      await world.settle();
      const before = tap.fromServer.length;
      owner.calling(() => {
        for (let i = 0; i < 100; i++) conn.write(Buffer.from('ten bytes.'), 0, 10);
      });
      await world.until('all came', () => peer.received.length === 1000);
      assert.deepEqual(
        tap.fromServer.slice(before).map(({ type }) => type),
        [RECORD_DATA],
      );
      tap.close();
    },
  );

  law('many handshakes at once, and a hold that lasts through one', {}, async (world) => {
    const owners: Recorder[] = [];
    world.transport.onAccepted = (conn) => {
      const owner = new Recorder(world.transport);
      owners.push(owner);
      conn.owner = owner;
      conn.hold(HOLD_FILTER);
      setTimeout(() => conn.release(HOLD_FILTER), 20);
    };
    const peers = Array.from({ length: 60 }, () => world.connect());
    for (const peer of peers) peer.send(Buffer.from('hello'));
    await world.until('all came', () => owners.length === 60 && owners.every((owner) => owner.byteCount === 5));
  });
}

function failureLaws(law: Law, fixture: TlsFixture): void {
  const { authority, client, expired, revoked, stranger, strange, crlPem } = fixture;
  const trust: Changes = { trustedCaPem: authority.certificatePem, verify: 'require' };

  law('mutual TLS: the certificate and its chain', { server: trust }, async (world) => {
    const { conn } = await accept(world, credentials(client));
    assert.deepEqual(Buffer.from(conn.tls?.peerCertificateDer ?? []), client.certificate.raw);
    assert.equal(conn.tls?.verifyError, 0);
  });

  const bad: [string, Changes, Issued | null][] = [
    ['none at all', trust, null],
    ['from an unknown authority', trust, strange],
    ['from an unknown authority, optional', { ...trust, verify: 'optional' }, strange],
    ['expired', trust, expired],
    ['revoked', { ...trust, crlPem }, revoked],
  ];
  for (const [what, server, issued] of bad) {
    law(`T2: a client's certificate is refused: ${what}`, { server }, async (world) => {
      world.connect(issued === null ? {} : credentials(issued)).send(Buffer.from('not for the owner'));
      const { conn, fault } = await refusal(world);
      assert.equal(fault, DOWN_TLS_VERIFY);
      assert.match(conn.tlsFailure, /TLS_error:.*certificate/);
      assert.equal(conn.tls, null);
    });
    if (issued === null) continue;
    const client = { ...server, verify: 'require' as const };
    law(`T2: a server's certificate is refused: ${what}`, { client }, async (world) => {
      world.peerOptions = { secureContext: tls.createSecureContext(credentials(issued)) };
      const { owner, conn } = dial(world);
      await world.until('it fails', () => owner.isClosed);
      assert.deepEqual(owner.calls, [`closed ${UP_TLS_VERIFY}`]);
      assert.match(conn.tlsFailure, /certificate verify failed:verify cert failed: [a-z ]+/);
    });
  }

  const tolerant: [string, Changes, Issued | null, boolean][] = [
    ['none, optional', { ...trust, verify: 'optional' }, null, false],
    ['expired, allowed', { ...trust, allowExpired: true }, expired, false],
    ['unknown authority, accepted', { ...trust, acceptUntrusted: true }, strange, true],
    ['revoked, no list', trust, revoked, false],
    ['not revoked, by lists of two authorities', { ...trust, crlPem: stranger.revoke(null) + crlPem }, client, false],
    ['trusted without its authority', { ...trust, trustedCaPem: client.certificatePem }, client, false],
  ];
  for (const [what, server, issued, hasError] of tolerant)
    law(`a client's certificate is accepted: ${what}`, { server }, async (world) => {
      const { conn } = await accept(world, issued === null ? {} : credentials(issued));
      assert.equal(conn.tls?.verifyError !== 0, hasError);
      assert.equal(conn.tls?.verifyReason !== '', hasError);
    });

  const lenient: [string, Changes, boolean][] = [
    ['not verified', { verify: 'none' }, false],
    ['accepted all the same', { acceptUntrusted: true }, true],
  ];
  for (const [what, client, hasError] of lenient)
    law(`a server of an unknown authority: ${what}`, { client }, async (world) => {
      world.peerOptions = { secureContext: tls.createSecureContext(credentials(strange)) };
      const { owner, conn } = dial(world);
      await world.until('it is open', () => owner.calls.includes('open'));
      assert.equal(conn.tls?.verifyError !== 0, hasError);
      assert.deepEqual(Buffer.from(conn.tls?.peerCertificateDer ?? []), strange.certificate.raw);
    });

  law('T2: the policy refuses, and says why', { server: trust }, async (world) => {
    world.transport.onAccepted = (conn) => {
      const owner = new Recorder(world.transport);
      owner.verdict = DOWN_TLS_VERIFY;
      owner.onHandshakeCall = () => {
        conn.tlsFailure = 'not on the list';
      };
      conn.owner = owner;
      owners.push(owner);
      conns.push(conn);
    };
    const owners: Recorder[] = [];
    const conns: Conn[] = [];
    const peer = world.connect(credentials(client));
    peer.send(Buffer.from('not for the owner'));
    await world.until('it is closed', () => owners[0]?.isClosed === true && peer.hasEnd);
    assert.deepEqual(owners[0]?.calls, ['handshake', `closed ${DOWN_TLS_VERIFY}`]);
    assert.equal(conns[0]?.tlsFailure, 'not on the list');
    assert.equal(peer.received.length, 0);
  });

  law('T2: the policy refuses a server: nothing that was written leaves', {}, async (world) => {
    const { owner, conn } = dial(world);
    owner.verdict = UP_TLS_VERIFY;
    owner.calling(() => conn.write(Buffer.from('a secret'), 0, 8));
    await world.until('it is closed', () => owner.isClosed && world.dialled[0]?.hasEnd === true);
    assert.deepEqual(owner.calls, ['handshake', `closed ${UP_TLS_VERIFY}`]);
    assert.equal(world.dialled[0]?.received.length, 0);
  });

  const judged: Changes = { ...trust, judgesPeers: true };
  for (const [version, alert] of [
    [TLS_1_2, /BAD_CERTIFICATE/],
    [TLS_1_3, /BAD_CERTIFICATE/],
  ] as const) {
    const versions = { minVersion: version, maxVersion: version };
    law(
      `T2: who is asked in the midst of the handshake refuses by an alert: ${version}`,
      {
        server: { ...judged, ...versions },
        client: { ...judged, ...versions },
      },
      async (world) => {
        const seen: Uint8Array[] = [];
        const refuse = (conn: Conn, certificate: Uint8Array): number => {
          seen.push(certificate);
          conn.tlsFailure = 'not on the list';
          return DOWN_TLS_VERIFY;
        };
        world.transport.onJudged = refuse;
        const peer = world.connect(credentials(client));
        const { conn, fault } = await refusal(world);
        assert.deepEqual([fault, conn.tlsFailure], [DOWN_TLS_VERIFY, 'not on the list']);
        await world.until('the peer is told', () => peer.failure !== '');
        assert.match(peer.failure, alert);
        const dialled = dial(world);
        dialled.owner.onPeerCertificate = refuse;
        await world.until('it is closed', () => dialled.owner.isClosed && world.peerFailures.length > 0);
        assert.deepEqual(dialled.owner.calls, [`closed ${UP_TLS_VERIFY}`]);
        assert.match(world.peerFailures[0] ?? '', alert);
        assert.deepEqual(
          seen.map((der) => Buffer.from(der)),
          [client.certificate.raw, fixture.leaf.certificate.raw],
        );
      },
    );
  }

  law('who is asked in the midst of the handshake accepts', { server: judged, client: judged }, async (world) => {
    let asked = 0;
    const agree = (): number => {
      asked++;
      return 0;
    };
    world.transport.onJudged = agree;
    await accept(world, credentials(client));
    const { owner } = dial(world);
    owner.onPeerCertificate = agree;
    await world.until('it is open', () => owner.calls.includes('open'));
    assert.deepEqual([asked, owner.calls.slice(0, 2)], [2, ['handshake', 'open']]);
  });

  const underway = authority.issue('an issuer between', { isAuthority: true });
  const between = new Authority('an issuer between', underway);
  const below = between.issue('below', { names: 'URI:spiffe://example.com/client' });
  const crls = between.revoke(null);
  between.close();
  const leafOnly: Changes = { ...trust, crlPem: crls, crlForLeafOnly: true };
  const chain = { cert: below.certificatePem + underway.certificatePem, key: below.keyPem };
  law('revocation lists for the leaf alone', { server: leafOnly }, async (world) => {
    const { conn } = await accept(world, chain);
    assert.equal(conn.tls?.verifyError, 0);
  });
  law('T2: revocation lists for every issuer', { server: { ...leafOnly, crlForLeafOnly: false } }, async (world) => {
    world.connect(chain);
    const { conn, fault } = await refusal(world);
    assert.equal(fault, DOWN_TLS_VERIFY);
    assert.match(conn.tlsFailure, /unable to get certificate CRL/);
  });

  law('T2: no version in common', { server: { minVersion: TLS_1_3 } }, async (world) => {
    const peer = world.connect({ maxVersion: 'TLSv1.2' });
    const { conn, fault } = await refusal(world);
    assert.equal(fault, DOWN_TLS_HANDSHAKE);
    assert.match(conn.tlsFailure, /unsupported protocol/);
    await world.until('the peer is told', () => peer.failure !== '');
    assert.match(peer.failure, /ALERT_PROTOCOL_VERSION/);
  });

  law('T2: garbage instead of a ClientHello; a client that leaves in the middle', {}, async (world) => {
    world.connectPlain().send(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    assert.equal((await refusal(world)).fault, DOWN_TLS_HANDSHAKE);
    world.transport.refused.length = 0;
    world.connectPlain().send(Buffer.alloc(100_000, 0xff));
    assert.equal((await refusal(world)).fault, DOWN_TLS_HANDSHAKE);
    world.transport.refused.length = 0;
    const leaver = world.connectPlain();
    leaver.send(Uint8Array.of(22, 3, 1, 1, 0, 1));
    leaver.end();
    const { conn, fault } = await refusal(world);
    assert.equal(fault, DOWN_TLS_HANDSHAKE);
    assert.match(conn.tlsFailure, /closed/);
  });

  law('T2: a dialled server that speaks no TLS, and one that goes away', {}, async (world) => {
    for (const [answer, cause] of [
      ['HTTP/1.1 400 Bad Request\r\n\r\n', /wrong version number/],
      ['', /closed|reset/],
    ] as const) {
      const server = net.createServer((socket) => socket.end(answer));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const owner = new Recorder(world.transport);
      const port = (server.address() as net.AddressInfo).port;
      const conn = world.transport.dial({ family: 4, host: '127.0.0.1', port }, 5000, owner);
      await world.until('it fails', () => owner.isClosed);
      assert.deepEqual(owner.calls, [`closed ${UP_TLS_HANDSHAKE}`]);
      assert.match(conn.tlsFailure, cause);
      server.close();
    }
  });

  law('T2: handshakes take no longer than they may', {}, async (world) => {
    world.transport.handshakeTimeoutMs = 60;
    world.connectPlain().send(Uint8Array.of(22, 3, 1, 1, 0));
    const { conn, fault } = await refusal(world);
    assert.equal(fault, DOWN_TLS_TIMEOUT);
    assert.match(conn.tlsFailure, /timed out/);
    const silent = net.createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const owner = new Recorder(world.transport);
    const port = (silent.address() as net.AddressInfo).port;
    world.transport.dial({ family: 4, host: '127.0.0.1', port }, 60, owner);
    await world.until('it fails', () => owner.isClosed);
    assert.deepEqual(owner.calls, [`closed ${UP_CONNECT_TIMEOUT}`]);
    silent.close();
  });

  law('T2: the timeout of the handshake is no limit of the connection', {}, async (world) => {
    world.transport.handshakeTimeoutMs = 1000;
    const { owner, peer } = await accept(world);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    peer.send(Buffer.from('still here'));
    await world.until('bytes come', () => owner.byteCount === 10);
  });

  law('a client may not renegotiate', { server: { maxVersion: TLS_1_2 } }, async (world) => {
    const { owner, peer } = await accept(world);
    await world.until('the peer knows', () => peer.isSecure);
    let handshakes = 0;
    owner.onHandshakeCall = () => handshakes++;
    const problem = await new Promise<Error | null>((resolve) => {
      peer.tls.on('error', resolve);
      peer.tls.renegotiate({}, (error) => resolve(error));
    });
    assert.ok(problem !== null);
    assert.equal(handshakes, 0);
  });
}

function resumptionLaws(law: Law, fixture: TlsFixture): void {
  const kinds: [string, Changes, string][] = [
    ['TLS 1.3 with tickets', {}, 'TLSv1.3'],
    ['TLS 1.3 from the cache', { sessionTickets: false }, 'TLSv1.3'],
    ['TLS 1.2 with tickets', {}, 'TLSv1.2'],
    ['TLS 1.2 from the cache', { sessionTickets: false }, 'TLSv1.2'],
  ];
  for (const [what, server, version] of kinds)
    law(`resumption: ${what}`, { server }, async (world) => {
      const maxVersion = version as tls.SecureVersion;
      const known = await session(world, { maxVersion });
      assert.equal(await isResumed(world, { maxVersion, session: known }), true);
    });

  law(
    'no resumption where neither tickets nor a cache are wanted',
    { server: { sessionTickets: false, sessionCache: false } },
    async (world) => {
      const { peer, conn, owner } = await accept(world);
      owner.calling(() => conn.write(Buffer.from('!'), 0, 1));
      await world.until('bytes came', () => peer.received.length === 1);
      await world.settle();
      assert.deepEqual(peer.sessions, []);
    },
  );

  law('ticket keys: shared between contexts, rotated, forgotten', {}, async (world) => {
    const { transport } = world;
    const server = tlsOptions('server', { certificates: [...world.serverOptions.certificates] });
    const keys = [1, 2, 3].map((fill) => Buffer.alloc(80, fill));
    const take = (...mine: Buffer[]): void => {
      transport.serverContext.close();
      transport.serverContext = transport.newTlsContext(server);
      transport.serverContext.setTicketKeys(Buffer.concat(mine));
    };
    take(keys[0] as Buffer);
    const first = await session(world, {});
    take(keys[0] as Buffer);
    assert.equal(await isResumed(world, { session: first }), true, 'another worker');
    take(keys[1] as Buffer, keys[0] as Buffer);
    assert.equal(await isResumed(world, { session: first }), true, 'an old key');
    const renewed = await session(world, { session: first });
    take(keys[1] as Buffer);
    assert.equal(await isResumed(world, { session: renewed }), true, 'renewed with the new key');
    assert.equal(await isResumed(world, { session: first }), false, 'a key that is gone');
    assert.throws(() => transport.serverContext.setTicketKeys(Buffer.alloc(81)), /80 bytes/);
  });

  for (const maxVersion of [TLS_1_2, TLS_1_3])
    law(
      `dialled connections resume sessions of their key (${maxVersion.toString(16)})`,
      { client: { maxVersion } },
      async (world) => {
        const { transport } = world;
        const resumed = async (sessionKey: string): Promise<boolean> => {
          transport.dialTls = { ...transport.dialTls, sessionKey };
          const count = world.dialled.length;
          const { owner, conn } = dial(world);
          await world.until('it is open', () => owner.calls.includes('open') && world.dialled.length > count);
          // Tickets of TLS 1.3 come with the first bytes.
          world.dialled[count]?.send(Buffer.from('!'));
          await world.until('bytes come', () => owner.byteCount === 1);
          const answer = conn.tls?.isResumed === true;
          assert.deepEqual(Buffer.from(conn.tls?.peerCertificateDer ?? []), fixture.leaf.certificate.raw);
          owner.calling(() => conn.endAfterFlush(0));
          await world.until('it is closed', () => owner.isClosed);
          return answer;
        };
        assert.equal(await resumed('one'), false);
        assert.equal(await resumed('one'), true);
        assert.equal(await resumed('one'), true);
        assert.equal(await resumed('other'), false);
        const context = transport.newTlsContext({ ...world.clientOptions, maxSessionKeys: 0 });
        transport.dialTls = { ...transport.dialTls, context };
        assert.equal(await resumed('one'), false);
        assert.equal(await resumed('one'), false);
      },
    );

  for (const maxVersion of [TLS_1_2, TLS_1_3])
    law(
      `a session of a server that was refused is not resumed (${maxVersion.toString(16)})`,
      { client: { maxVersion, trustedCaPem: fixture.authority.certificatePem, verify: 'require' } },
      async (world) => {
        world.peerOptions = { secureContext: tls.createSecureContext(credentials(fixture.strange)) };
        for (let i = 0; i < 3; i++) {
          const { owner, conn } = dial(world);
          await world.until('it fails', () => owner.isClosed);
          assert.deepEqual(owner.calls, [`closed ${UP_TLS_VERIFY}`]);
          assert.match(conn.tlsFailure, /certificate verify failed/);
        }
      },
    );
}

function endLaws(law: Law): void {
  law("T3: close_notify is the peer's end", {}, async (world) => {
    const { owner, peer, conn } = await accept(world);
    peer.send(Buffer.from('bye'));
    peer.end();
    await world.until('the end comes', () => owner.calls.includes('peerEnd'));
    assert.equal(conn.tls?.isTruncated, false);
    assert.equal(owner.received.toString(), 'bye');
    owner.calling(() => conn.write(Buffer.from('answer'), 0, 6));
    await world.until('the answer comes', () => peer.received.toString() === 'answer');
    await world.settle();
    assert.equal(owner.count('peerEnd'), 1);
  });

  law('T3: a FIN without close_notify is told apart', {}, async (world) => {
    const { owner, peer, conn } = await accept(world);
    peer.send(Buffer.from('cut off'));
    await world.until('bytes come', () => owner.byteCount === 7);
    peer.raw.end();
    await world.until('the end comes', () => owner.calls.includes('peerEnd'));
    assert.equal(conn.tls?.isTruncated, true);
  });

  for (const [what, end] of [
    ['endAfterFlush', (conn: Conn) => conn.endAfterFlush(1000)],
    ['shutdownAfterFlush', (conn: Conn) => conn.shutdownAfterFlush()],
  ] as const)
    law(`T4: ${what} sends close_notify behind what is queued`, { server: { maxVersion: TLS_1_2 } }, async (world) => {
      const tap = await Tap.open(world.listeningPort);
      const { owner, peer, conn } = await accept(world, { port: tap.port });
      peer.pause();
      const bytes = Buffer.alloc(3_000_000, 'x');
      owner.calling(() => {
        conn.write(bytes, 0, bytes.length);
        end(conn);
      });
      await world.settle();
      peer.resume();
      await world.until('all came', () => peer.received.length === bytes.length && peer.hasEnd);
      assert.equal(tap.fromServer.at(-1)?.type, RECORD_ALERT);
      assert.equal(tap.fromServer.filter(({ type }) => type === RECORD_ALERT).length, 1);
      tap.close();
    });

  law('T5: both directions at once, each slower than its sender', {}, async (world) => {
    const { owner, peer, conn } = await accept(world);
    const bytes = Buffer.from(Uint8Array.from({ length: 4_000_000 }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff));
    let written = 0;
    owner.onBytesCall = (lent, start, end) => {
      written += end - start;
      if (conn.write(lent, start, end)) conn.hold(HOLD_FILTER);
    };
    owner.onWritable = () => conn.release(HOLD_FILTER);
    conn.setHighMark(64 * 1024);
    peer.pause();
    peer.send(bytes);
    await world.settle();
    peer.resume();
    await world.until('all came back', () => peer.received.length === bytes.length);
    assert.equal(written, bytes.length);
    assert.ok(peer.received.equals(bytes));
  });
}

function contextLaws(law: Law, fixture: TlsFixture): void {
  const { leaf, rsaLeaf, authority } = fixture;
  const ocspStaple = authority.ocspResponse(leaf);
  const encrypted = { ...certificateOf(rsaLeaf), password: 'open sesame' };

  law(
    'two certificates of different key types, one key encrypted',
    { server: { certificates: [certificateOf(leaf), encrypted] } },
    async (world) => {
      for (const [sigalgs, issued] of [
        ['RSA-PSS+SHA256', rsaLeaf],
        ['ECDSA+SHA256', leaf],
      ] as const) {
        const { peer } = await accept(world, { sigalgs });
        await world.until('the peer knows', () => peer.isSecure);
        assert.equal(peer.tls.getPeerX509Certificate()?.fingerprint256, issued.certificate.fingerprint256);
      }
    },
  );

  const soon = Date.now() + 3600000;
  const staples: [string, Changes['certificates'], TlsStaple | 'fails', boolean][] = [
    ['is sent to those who ask', [stapled(leaf, ocspStaple, soon, 'lenient')], STAPLE_SENT, true],
    ['under the strictest policy too', [stapled(leaf, ocspStaple, soon, 'must')], STAPLE_SENT, true],
    ['that is over is left out', [stapled(leaf, ocspStaple, 1000, 'lenient')], STAPLE_OMITTED, false],
    ['that is over ends it (strict)', [stapled(leaf, ocspStaple, 1000, 'strict')], 'fails', false],
    ['that is over ends it (must)', [stapled(leaf, ocspStaple, 1000, 'must')], 'fails', false],
  ];
  for (const [what, certificates, outcome, isSent] of staples)
    law(`an OCSP response ${what}`, { server: { certificates: certificates ?? [] } }, async (world) => {
      let response: Buffer | null = null;
      const ask = (peer: TlsPeer): void => {
        peer.tls.on('OCSPResponse', (bytes: Buffer) => {
          response = bytes;
        });
      };
      if (outcome === 'fails') {
        ask(world.connect(ASK_OCSP));
        const { conn, fault } = await refusal(world);
        assert.deepEqual([fault, conn.staple, response], [DOWN_TLS_HANDSHAKE, STAPLE_FAILED, null]);
        assert.match(conn.tlsFailure, /no valid OCSP response to staple/);
        return;
      }
      const owner = new Recorder(world.transport);
      owner.verdict = 0;
      const accepted: Conn[] = [];
      world.transport.onAccepted = (conn) => {
        accepted.push(conn);
        conn.owner = owner;
      };
      const peer = world.connect(ASK_OCSP);
      ask(peer);
      await world.until('both know', () => peer.isSecure && owner.calls.includes('handshake'));
      assert.equal(accepted[0]?.staple, outcome);
      if (isSent) assert.deepEqual(response, Buffer.from(ocspStaple));
      else assert.equal((response as Buffer | null)?.length ?? 0, 0);
    });

  const bundle = authority.pkcs12(leaf, 'open sesame');
  law(
    'certificate and key from PKCS #12',
    {
      server: {
        certificates: [{ ...certificateOf(leaf), chainPem: '', keyPem: '', pkcs12: bundle, password: 'open sesame' }],
      },
    },
    async (world) => {
      const { peer } = await accept(world);
      await world.until('the peer knows', () => peer.isSecure);
      assert.equal(peer.tls.getPeerX509Certificate()?.fingerprint256, leaf.certificate.fingerprint256);
    },
  );

  law(
    'ciphers, ciphersuites and groups',
    {
      server: {
        ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384',
        ciphersuites: 'TLS_CHACHA20_POLY1305_SHA256',
        groups: 'P-384',
      },
    },
    async (world) => {
      const modern = await accept(world);
      assert.equal(modern.conn.tls?.cipher, 'TLS_CHACHA20_POLY1305_SHA256');
      assert.match(modern.conn.tls?.group ?? '', /384/);
      const older = await accept(world, { maxVersion: 'TLSv1.2' });
      assert.equal(older.conn.tls?.cipher, 'ECDHE-ECDSA-AES256-GCM-SHA384');
    },
  );

  law('what OpenSSL does not take is an error', {}, async (world) => {
    const wrong: [Changes, RegExp][] = [
      [{ certificates: [] }, /certificate/],
      [{ certificates: [{ ...encrypted, password: 'wrong' }] }, /private key/],
      [{ certificates: [{ ...encrypted, password: null }] }, /private key/],
      [{ certificates: [{ ...certificateOf(leaf), keyPem: rsaLeaf.keyPem, password: 'open sesame' }] }, /private key/],
      [{ certificates: [{ ...certificateOf(leaf), chainPem: 'nonsense' }] }, /certificate chain/],
      [{ certificates: [certificateOf(leaf), certificateOf(leaf)] }, /one key type/],
      [{ trustedCaPem: 'nonsense' }, /trusted CA/],
      [{ crlPem: 'nonsense' }, /CRL/],
      [{ ciphers: 'NONSENSE' }, /ciphers/],
      [{ ciphersuites: 'NONSENSE' }, /ciphersuites/],
      [{ groups: 'nonsense' }, /groups/],
      [{ signatureAlgorithms: 'nonsense' }, /signature algorithms/],
      [{ alpn: ['x'.repeat(256)] }, /ALPN/],
    ];
    for (const [changes, expected] of wrong)
      assert.throws(
        () => world.transport.newTlsContext({ ...world.serverOptions, ...changes }),
        expected,
        JSON.stringify(changes),
      );
  });

  law('a context that is closed still serves the connections that have it', {}, async (world) => {
    const { owner, peer } = await accept(world);
    world.transport.serverContext.close();
    peer.send(Buffer.from('still here'));
    await world.until('bytes come', () => owner.byteCount === 10);
  });
}
