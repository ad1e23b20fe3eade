/** TlsWorld: a transport that does TLS on every connection, with node:tls at the other ends. */
import net from 'node:net';
import tls from 'node:tls';
import type { FaultCode } from '../../engine/fault/faults.js';
import { openTransport } from '../../engine/io/choose-transport.js';
import { type DialTls, TLS_1_2, TLS_1_3, type TlsContext, type TlsContextOptions } from '../../engine/io/tls.js';
import type {
  Address,
  Arena,
  Conn,
  ConnOwner,
  Listening,
  ListenOptions,
  Transport,
} from '../../engine/io/transport.js';
import type { Authority, Issued } from '../support/certificates.js';
import { nextWorker, opened, SETTLE_MS, SocketPeer, until, wait } from './socket-peer.js';
import type { TransportWorld } from './transport.suite.js';

export function tlsOptions(role: 'server' | 'client', changes: Partial<TlsContextOptions> = {}): TlsContextOptions {
  return {
    role,
    certificates: [],
    trustedCaPem: null,
    crlPem: null,
    crlForLeafOnly: false,
    verify: 'none',
    acceptUntrusted: false,
    allowExpired: false,
    judgesPeers: false,
    verifyDepth: -1,
    minVersion: TLS_1_2,
    maxVersion: TLS_1_3,
    ciphers: '',
    ciphersuites: '',
    groups: '',
    signatureAlgorithms: '',
    preferServerCiphers: true,
    alpn: [],
    sessionTickets: true,
    sessionCache: true,
    sessionTimeoutS: 300,
    maxSessionKeys: 2,
    ...changes,
  };
}

export function certificateOf(issued: Issued): TlsContextOptions['certificates'][number] {
  return {
    chainPem: issued.certificatePem,
    keyPem: issued.keyPem,
    pkcs12: null,
    password: null,
    ocspStaple: null,
    ocspExpiresMs: 0,
    ocspPolicy: 'lenient',
  };
}

// TLSSocket hands it on to net.Socket; its types don't say so.
const HALF_OPEN = { allowHalfOpen: true };

export class TlsPeer extends SocketPeer {
  readonly tls: tls.TLSSocket;
  readonly raw: net.Socket;
  failure = '';
  /** Its handshake is done. */
  isSecure = false;
  readonly sessions: Buffer[] = [];

  constructor(socket: tls.TLSSocket, raw: net.Socket) {
    super(socket);
    this.tls = socket;
    this.raw = raw;
    raw.on('error', () => {});
    socket.once('secure', () => {
      this.isSecure = true;
    });
    socket.on('session', (session: Buffer) => this.sessions.push(session));
    raw.on('close', () => {
      this.isClosed = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.failure = error.code ?? error.message;
    });
  }

  override reset(): void {
    this.raw.resetAndDestroy();
  }
}

/** Reads the first bytes of a client as an owner would, and then starts TLS with them. */
class Greeter implements ConnOwner {
  readonly #world: TlsTransport;
  readonly #index: number;

  constructor(world: TlsTransport, index: number) {
    this.#world = world;
    this.#index = index;
  }

  onBytes(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    conn.startTls(this.#world.serverContext, bytes, start, end, this.#world.handshakeTimeoutMs);
  }
  onPeerCertificate(conn: Conn, certificate: Uint8Array): FaultCode {
    return this.#world.onJudged(conn, certificate);
  }
  onHandshake(conn: Conn): FaultCode {
    this.#world.onAccepted(conn, this.#index);
    return conn.owner === this ? 0 : conn.owner.onHandshake(conn);
  }
  onOpen(): void {}
  onWritable(): void {}
  onPeerEnd(conn: Conn): void {
    conn.endAfterFlush(0);
  }
  onClosed(conn: Conn, fault: FaultCode): void {
    this.#world.refused.push({ conn, fault });
  }
}

export class TlsTransport implements Transport {
  readonly name: Transport['name'];
  readonly arena: Arena;
  readonly base: Transport;
  onAccepted: (conn: Conn, listenerIndex: number) => void = () => {};
  /** Of clients, in the midst of their handshakes. */
  onJudged: (conn: Conn, certificate: Uint8Array) => FaultCode = () => 0;
  handshakeTimeoutMs = 0;
  serverContext: TlsContext;
  dialTls: DialTls;
  /** Accepted connections that ended before their handshake did. */
  readonly refused: { readonly conn: Conn; readonly fault: FaultCode }[] = [];

  constructor(base: Transport, server: TlsContextOptions, client: TlsContextOptions) {
    this.base = base;
    this.name = base.name;
    this.arena = base.arena;
    this.serverContext = base.newTlsContext(server);
    this.dialTls = { context: base.newTlsContext(client), serverName: 'example.com', sessionKey: 'peer', alpn: null };
    base.onAccepted = (conn, index) => {
      conn.owner = new Greeter(this, index);
    };
  }

  get onTurnFlushed(): () => void {
    return this.base.onTurnFlushed;
  }
  set onTurnFlushed(callback: () => void) {
    this.base.onTurnFlushed = callback;
  }
  dial(address: Address, connectTimeoutMs: number, owner: ConnOwner): Conn {
    return this.base.dial(address, connectTimeoutMs, owner, this.dialTls);
  }
  newTlsContext(options: TlsContextOptions): TlsContext {
    return this.base.newTlsContext(options);
  }
  listen(options: ListenOptions, listenerIndex: number): Listening {
    return this.base.listen(options, listenerIndex);
  }
  nowMs(): number {
    return this.base.nowMs();
  }
  nowUs(): number {
    return this.base.nowUs();
  }
  wallMs(): number {
    return this.base.wallMs();
  }
  close(): void {
    this.serverContext.close();
    this.dialTls.context.close();
    this.base.close();
  }
}

export interface TlsWorld extends TransportWorld {
  readonly transport: TlsTransport;
  readonly dialled: TlsPeer[];
  /** What went wrong with those who are dialled. */
  readonly peerFailures: string[];
  /** A peer with options of its own. */
  connect(options?: tls.ConnectionOptions): TlsPeer;
  /** A peer without TLS. */
  connectPlain(): SocketPeer;
  readonly listeningPort: number;
  readonly serverOptions: TlsContextOptions;
  readonly clientOptions: TlsContextOptions;
  /** What those who are dialled do. */
  peerOptions: tls.TLSSocketOptions;
}

export interface TlsWorldOptions {
  readonly authority: Authority;
  readonly leaf: Issued;
  readonly server?: Partial<TlsContextOptions>;
  readonly client?: Partial<TlsContextOptions>;
}

export async function openTls(name: 'native' | 'node', options: TlsWorldOptions): Promise<TlsWorld> {
  const { authority, leaf } = options;
  const serverOptions = tlsOptions('server', { certificates: [certificateOf(leaf)], ...options.server });
  const trust = { trustedCaPem: authority.certificatePem, verify: 'require' } as const;
  const clientOptions = tlsOptions('client', { ...trust, ...options.client });
  const transport = new TlsTransport(openTransport(name, nextWorker()), serverOptions, clientOptions);
  const loopback: Address = { family: 4, host: '127.0.0.1', port: 0 };
  const listening = transport.listen({ address: loopback, backlog: 512, reusePort: false }, 0);
  await opened(listening);
  const dialled: TlsPeer[] = [];
  const peerFailures: string[] = [];
  const sockets: net.Socket[] = [];
  const world: TlsWorld = {
    transport,
    address: { family: 4, host: '127.0.0.1', port: 0 },
    refusing: { family: 4, host: '127.0.0.1', port: 0 },
    dialled,
    peerFailures,
    listeningPort: listening.address.port,
    serverOptions,
    clientOptions,
    peerOptions: { secureContext: tls.createSecureContext({ cert: leaf.certificatePem, key: leaf.keyPem }) },
    connectPlain() {
      const raw = net.connect({ port: listening.address.port, host: '127.0.0.1', allowHalfOpen: true });
      sockets.push(raw);
      return new SocketPeer(raw);
    },
    connect(more = {}) {
      const raw = net.connect({ port: more.port ?? listening.address.port, host: '127.0.0.1', allowHalfOpen: true });
      sockets.push(raw);
      const ca = authority.certificatePem;
      const secure = tls.connect({ ca, servername: 'example.com', ...more, socket: raw, ...HALF_OPEN });
      return new TlsPeer(secure, raw);
    },
    until,
    settle: () => wait(SETTLE_MS),
    async close() {
      listening.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      transport.close();
      await wait(1);
    },
  };
  const server = net.createServer({ allowHalfOpen: true }, (raw) => {
    const settings: tls.TLSSocketOptions = { ...world.peerOptions, isServer: true, ...HALF_OPEN };
    sockets.push(raw);
    const peer = new TlsPeer(new tls.TLSSocket(raw, settings), raw);
    peer.tls.on('error', (error: NodeJS.ErrnoException) => peerFailures.push(error.code ?? error.message));
    // Not before its handshake is done: libuv tells a reset behind unread bytes as an end.
    peer.tls.once('secure', () => dialled.push(peer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const free = net.createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  Object.assign(world.refusing, { port: (free.address() as net.AddressInfo).port });
  await new Promise<void>((resolve) => free.close(() => resolve()));
  Object.assign(world.address, { port: (server.address() as net.AddressInfo).port });
  return world;
}
