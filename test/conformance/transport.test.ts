/** Native, node and simulated transport under the same laws. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Prng } from '../../engine/base/prng.js';
import { UP_CONNECT_REFUSED } from '../../engine/fault/faults.js';
import { chooseTransport, openTransport } from '../../engine/io/choose-transport.js';
import type { Address } from '../../engine/io/transport.js';
import type { PeerEnd, SimPeer } from '../sim/link.js';
import { Schedule } from '../sim/schedule.js';
import { SimTransport } from '../sim/sim-transport.js';
import { nextWorker, opened, SETTLE_MS, SocketPeer, until, wait } from './socket-peer.js';
import { Recorder } from './transport-recorder.js';
import { type Peer, type TransportWorld, transportLaws } from './transport.suite.js';

async function openSockets(name: 'native' | 'node'): Promise<TransportWorld> {
  const transport = openTransport(name, nextWorker());
  const loopback: Address = { family: 4, host: '127.0.0.1', port: 0 };
  const listening = transport.listen({ address: loopback, backlog: 512, reusePort: false }, 0);
  await opened(listening);
  const dialled: Peer[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => dialled.push(new SocketPeer(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const free = net.createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const refusing: Address = { family: 4, host: '127.0.0.1', port: (free.address() as net.AddressInfo).port };
  await new Promise<void>((resolve) => free.close(() => resolve()));
  const peers: SocketPeer[] = [];
  return {
    transport,
    address: { family: 4, host: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    refusing,
    dialled,
    connect() {
      const peer = new SocketPeer(
        net.connect({ port: listening.address.port, host: '127.0.0.1', allowHalfOpen: true }),
      );
      peers.push(peer);
      return peer;
    },
    until,
    settle: () => wait(SETTLE_MS),
    async close() {
      listening.close();
      for (const peer of [...peers, ...(dialled as SocketPeer[])]) peer.socket.destroy();
      server.close();
      transport.close();
      await wait(1);
    },
  };
}

class ScriptedPeer implements Peer, SimPeer {
  hasEnd = false;
  isClosed = false;
  #end: PeerEnd | null = null;
  readonly #chunks: Buffer[] = [];
  readonly #later: ((end: PeerEnd) => void)[] = [];

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }
  send(bytes: Uint8Array): void {
    this.#do((end) => end.write(Uint8Array.from(bytes)));
  }
  end(): void {
    this.#do((end) => end.end());
  }
  reset(): void {
    this.#do((end) => end.reset());
  }
  pause(): void {
    this.#do((end) => {
      end.isPaused = true;
    });
  }
  resume(): void {
    this.#do((end) => {
      end.isPaused = false;
    });
  }
  #do(what: (end: PeerEnd) => void): void {
    if (this.#end === null) this.#later.push(what);
    else what(this.#end);
  }

  onOpen(end: PeerEnd): void {
    this.#end = end;
    for (const what of this.#later.splice(0)) what(end);
  }
  onBytes(_end: PeerEnd, bytes: Uint8Array): void {
    this.#chunks.push(Buffer.from(bytes));
  }
  onEnd(): void {
    this.hasEnd = true;
  }
  onClosed(): void {
    this.isClosed = true;
  }
}

async function openSimulation(): Promise<TransportWorld> {
  const schedule = new Schedule();
  const dialled: Peer[] = [];
  const transport = new SimTransport(schedule, Prng.fromSeed(11), (address) => {
    if (address.port === 9) return { fault: UP_CONNECT_REFUSED, afterMs: 1 };
    const peer = new ScriptedPeer();
    dialled.push(peer);
    return peer;
  });
  transport.isQuick = true;
  const run = (ms: number): Promise<void> => transport.run(schedule.nowMs + ms, () => {}, 10);
  return {
    transport,
    address: { family: 4, host: '10.0.0.2', port: 80 },
    refusing: { family: 4, host: '10.0.0.2', port: 9 },
    dialled,
    connect() {
      const peer = new ScriptedPeer();
      transport.connect(0, peer);
      return peer;
    },
    async until(what, holds) {
      for (let times = 0; !holds(); times++) {
        assert.ok(times < 20_000, `it never came to this: ${what}`);
        await run(1);
      }
    },
    settle: () => run(200),
    async close() {
      transport.close();
      await run(1000);
    },
  };
}

const native = chooseTransport('auto');
if (native.addon === null) test(`native transport: not here (${native.reason})`, { skip: native.reason }, () => {});
else transportLaws('native', () => openSockets('native'));
transportLaws('node', () => openSockets('node'));
const STUCK = '5: a peer that takes nothing of what is queued for so long is left';
const READS_ON = "what a script does not read is in nobody's way: each reads on in the end";
transportLaws('sim', openSimulation, { [`${STUCK} (accepted)`]: READS_ON, [`${STUCK} (dialled)`]: READS_ON });

for (const name of native.addon === null ? (['node'] as const) : (['native', 'node'] as const))
  test(`${name}: unix sockets on both sides; an address in use is an error of the listening`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-transport-'));
    const transport = openTransport(name, nextWorker());
    const address: Address = { family: 'unix', host: join(directory, 'own.sock'), port: 0 };
    const listening = transport.listen({ address, backlog: 16, reusePort: false }, 3);
    await opened(listening);
    await assert.rejects(async () => {
      await opened(transport.listen({ address, backlog: 16, reusePort: false }, 4));
    }, /EADDRINUSE/);
    const accepted = new Recorder(transport);
    const dialled = new Recorder(transport);
    let index = -1;
    transport.onAccepted = (conn, listenerIndex) => {
      index = listenerIndex;
      accepted.onBytesCall = (bytes, start, end) => conn.write(bytes, start, end);
      conn.owner = accepted;
    };
    const conn = transport.dial(address, 5000, dialled);
    conn.write(Buffer.from('before it is open'), 0, 17);
    await until('the echo comes', () => dialled.byteCount === 17);
    assert.equal(index, 3);
    assert.equal(dialled.received.toString(), 'before it is open');
    conn.endAfterFlush(0);
    await until('both are closed', () => dialled.isClosed && accepted.calls.includes('peerEnd'));
    listening.close();
    transport.close();
    rmSync(directory, { recursive: true });
  });
