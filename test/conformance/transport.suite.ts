/** The laws of engine/io/transport.ts, for every implementation: the numbers in the names are theirs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOWN_RESET, UP_CONNECT_REFUSED, UP_RESET } from '../../engine/fault/faults.js';
import { type Address, type Conn, HOLD_FILTER, HOLD_PEER_FULL, type Transport } from '../../engine/io/transport.js';
import { Recorder } from './transport-recorder.js';

/** The other end of a connection: a real socket, or a script. */
export interface Peer {
  send(bytes: Uint8Array): void;
  /** FIN. */
  end(): void;
  reset(): void;
  /** Takes no bytes. */
  pause(): void;
  resume(): void;
  readonly received: Buffer;
  readonly hasEnd: boolean;
  readonly isClosed: boolean;
}

export interface TransportWorld {
  readonly transport: Transport;
  /** A peer connects to the transport. */
  connect(): Peer;
  /** Where the transport can dial; those who were dialled appear in `dialled`. */
  readonly address: Address;
  readonly refusing: Address;
  readonly dialled: Peer[];
  /** Lets things happen until it holds; fails when it never does. */
  until(what: string, holds: () => boolean): Promise<void>;
  /** Lets things happen for long enough that what is wrong would have happened. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes that differ by place, so that a wrong order shows. */
function pattern(byteCount: number): Buffer {
  const bytes = Buffer.alloc(byteCount);
  for (let i = 0; i < byteCount; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

interface Pair {
  readonly conn: Conn;
  readonly owner: Recorder;
  readonly peer: Peer;
}

async function accept(world: TransportWorld): Promise<Pair> {
  const owner = new Recorder(world.transport);
  let conn: Conn | null = null;
  world.transport.onAccepted = (accepted) => {
    accepted.owner = owner;
    conn = accepted;
  };
  const peer = world.connect();
  await world.until('a connection is accepted', () => conn !== null);
  return { conn: conn as unknown as Conn, owner, peer };
}

async function dial(world: TransportWorld): Promise<Pair> {
  const owner = new Recorder(world.transport);
  const before = world.dialled.length;
  const conn = owner.calling(() => world.transport.dial(world.address, 5000, owner));
  await world.until('a dial succeeds', () => owner.calls.includes('open') && world.dialled.length > before);
  return { conn, owner, peer: world.dialled[before] as Peer };
}

const ROLES = [
  ['accepted', accept],
  ['dialled', dial],
] as const;

/** missing: laws that a transport can't keep, with the reason. */
export function transportLaws(
  name: string,
  open: () => Promise<TransportWorld>,
  missing: Readonly<Record<string, string>> = {},
): void {
  const law = (what: string, run: (world: TransportWorld) => Promise<void>): void => {
    test(`${name}: ${what}`, { skip: missing[what] ?? false }, async () => {
      const world = await open();
      try {
        await run(world);
      } finally {
        await world.close();
      }
    });
  };
  const each = (what: string, run: (world: TransportWorld, pair: Pair) => Promise<void>): void => {
    for (const [role, make] of ROLES) law(`${what} (${role})`, async (world) => run(world, await make(world)));
  };

  law('1: onOpen comes first for a dialled connection, and never for an accepted one', async (world) => {
    const dialled = await dial(world);
    assert.deepEqual(dialled.owner.calls, ['open']);
    const accepted = await accept(world);
    accepted.peer.send(pattern(5));
    await world.until('bytes come', () => accepted.owner.byteCount === 5);
    assert.ok(!accepted.owner.calls.includes('open'));
    assert.ok(accepted.conn.id > dialled.conn.id);
  });

  law('a preface leaves before everything that was written', async (world) => {
    const owner = new Recorder(world.transport);
    const preface = Buffer.from('PROXY UNKNOWN\r\n');
    const conn = owner.calling(() => {
      const dialled = world.transport.dial(world.address, 5000, owner, null, preface);
      dialled.write(Buffer.from('early '), 0, 6);
      return dialled;
    });
    await world.until('a dial succeeds', () => owner.calls.includes('open') && world.dialled.length > 0);
    owner.calling(() => conn.write(Buffer.from('late'), 0, 4));
    await world.until('all came', () => (world.dialled[0] as Peer).received.length === preface.length + 10);
    assert.equal((world.dialled[0] as Peer).received.toString(), `${preface}early late`);
    assert.equal(conn.bytesWritten, preface.length + 10);
  });

  law('1, 3, 4: a refused dial is told once, afterwards', async (world) => {
    const owner = new Recorder(world.transport);
    owner.calling(() => world.transport.dial(world.refusing, 5000, owner));
    assert.deepEqual(owner.calls, []);
    await world.until('the refusal is told', () => owner.isClosed);
    await world.settle();
    assert.deepEqual(owner.calls, [`closed ${UP_CONNECT_REFUSED}`]);
  });

  law('a dial that was given up before its outcome is closed once', async (world) => {
    const owner = new Recorder(world.transport);
    owner.calling(() => {
      const conn = world.transport.dial(world.address, 5000, owner);
      conn.abort(UP_RESET);
    });
    await world.until('it is closed', () => owner.isClosed);
    await world.settle();
    assert.deepEqual(owner.calls, [`closed ${UP_RESET}`]);
  });

  each('2, 5: bytes pass whole and in order, both ways', async (world, { conn, owner, peer }) => {
    const up = pattern(700_000);
    peer.send(up);
    await world.until('all came', () => owner.byteCount === up.length);
    assert.ok(owner.received.equals(up));
    assert.equal(conn.bytesRead, up.length);
    const down = pattern(3_000_001);
    owner.calling(() => {
      for (let at = 0; at < down.length; at += 10_007) conn.write(down, at, Math.min(down.length, at + 10_007));
    });
    await world.until('all left', () => peer.received.length === down.length);
    assert.ok(peer.received.equals(down));
    assert.equal(conn.bytesWritten, down.length);
  });

  each('2: byte by byte', async (world, { owner, peer }) => {
    const bytes = pattern(50);
    for (const byte of bytes) {
      peer.send(Uint8Array.of(byte));
      const count = owner.byteCount + 1;
      await world.until('the byte came', () => owner.byteCount === count);
    }
    assert.ok(owner.received.equals(bytes));
  });

  each(
    '5: ranges of the arena, of lent bytes and of other arrays leave in the order of their writes',
    async (world, { owner, peer, conn }) => {
      const { arena } = world.transport;
      const foreign = Buffer.from('foreign ');
      owner.onBytesCall = (bytes, start, end) => {
        const at = arena.reserve(6);
        for (let i = 0; i < 6; i++) arena.bytes[at + i] = 'arena '.charCodeAt(i);
        arena.commit(at + 6);
        conn.write(arena.bytes, at, at + 6);
        conn.write(bytes, start, end);
        conn.write(foreign, 0, foreign.length);
        conn.write(bytes, start, start + 4);
      };
      peer.send(Buffer.from('lent '));
      await world.until('all left', () => peer.received.length === 23);
      assert.equal(peer.received.toString(), 'arena lent foreign lent');
    },
  );

  each('12: bytes of the caller may be overwritten when write() has returned', async (world, { owner, peer, conn }) => {
    const own = Buffer.alloc(8);
    owner.onBytesCall = () => {
      for (const text of ['first   ', 'second  ', 'third   ']) {
        own.write(text, 'latin1');
        conn.write(own, 0, own.length);
      }
      own.fill(0x23);
    };
    peer.send(Buffer.from('go'));
    await world.until('all left', () => peer.received.length === 24);
    assert.equal(peer.received.toString(), 'first   second  third   ');
  });

  each('6: a full connection says so, and when it has room again', async (world, { conn, owner, peer }) => {
    owner.calling(() => conn.setHighMark(65536));
    peer.pause();
    const piece = pattern(32768);
    let sent = 0;
    for (let i = 0; i < 600; i++) {
      const isFull = owner.calling(() => conn.write(piece, 0, piece.length));
      sent += piece.length;
      if (isFull && conn.queuedBytes > 262_144) break;
      if (i % 4 === 3) await world.settle();
    }
    // It may have been full and had room again while the system still took everything.
    await world.settle();
    owner.calls.length = 0;
    assert.equal(
      owner.calling(() => conn.write(piece, 0, 1)),
      true,
    );
    sent++;
    await world.settle();
    assert.ok(!owner.calls.includes('writable'));
    peer.resume();
    await world.until('there is room', () => owner.calls.includes('writable'));
    await world.until('all left', () => peer.received.length === sent);
    await world.settle();
    assert.equal(conn.queuedBytes, 0);
  });

  each('6: who heard that it is full hears of room, also when it was less than full by then', async (world, pair) => {
    const { conn, owner, peer } = pair;
    owner.calling(() => conn.setHighMark(65536));
    peer.pause();
    const piece = pattern(32768);
    for (let i = 0; i < 600; i++) {
      if (owner.calling(() => conn.write(piece, 0, piece.length)) && conn.queuedBytes > 262_144) break;
      if (i % 4 === 3) await world.settle();
    }
    await world.settle();
    owner.calls.length = 0;
    assert.equal(
      owner.calling(() => conn.write(piece, 0, 1)),
      true,
    );
    // As if some had left: full no more, but not below the low mark either.
    owner.calling(() => conn.setHighMark(conn.queuedBytes + 1000));
    owner.calling(() => conn.write(piece, 0, 1));
    await world.settle();
    peer.resume();
    await world.until('there is room', () => owner.calls.includes('writable'));
  });

  each('7: while anything holds no bytes come, and none are lost', async (world, { conn, owner, peer }) => {
    owner.calling(() => {
      conn.hold(HOLD_FILTER);
      conn.hold(HOLD_PEER_FULL);
    });
    await world.settle();
    peer.send(pattern(5000));
    await world.settle();
    owner.calling(() => conn.release(HOLD_FILTER));
    await world.settle();
    assert.equal(owner.byteCount, 0);
    owner.calling(() => conn.release(HOLD_PEER_FULL));
    await world.until('they come', () => owner.byteCount === 5000);
    assert.ok(owner.received.equals(pattern(5000)));
  });

  each('8: the end of the peer comes once, after its bytes; we may still write', async (world, pair) => {
    const { conn, owner, peer } = pair;
    peer.send(pattern(100_000));
    peer.end();
    await world.until('the end is told', () => owner.calls.includes('peerEnd'));
    assert.equal(owner.byteCount, 100_000);
    owner.calling(() => conn.write(Buffer.from('still here'), 0, 10));
    await world.until('it left', () => peer.received.toString() === 'still here');
    owner.calling(() => conn.endAfterFlush(1000));
    await world.until('it is closed', () => owner.isClosed);
    assert.ok(peer.hasEnd);
    await world.settle();
    assert.equal(owner.count('peerEnd'), 1);
    assert.equal(owner.calls.at(-1), 'closed 0');
    assert.equal(owner.count('closed 0'), 1);
  });

  each('8: after shutdownAfterFlush the peer has its end, and we still read', async (world, { conn, owner, peer }) => {
    owner.calling(() => {
      conn.write(Buffer.from('last'), 0, 4);
      conn.shutdownAfterFlush();
    });
    await world.until('the peer has the end', () => peer.hasEnd);
    assert.equal(peer.received.toString(), 'last');
    peer.send(pattern(3000));
    await world.until('bytes come', () => owner.byteCount === 3000);
    peer.end();
    await world.until('it is closed', () => owner.isClosed);
    assert.equal(owner.calls.at(-1), 'closed 0');
  });

  each('4, 5: endAfterFlush sends what is queued, and nothing that comes later', async (world, pair) => {
    const { conn, owner, peer } = pair;
    const bytes = pattern(2_000_000);
    peer.pause();
    owner.calling(() => {
      conn.write(bytes, 0, bytes.length);
      conn.endAfterFlush(60_000);
      conn.write(bytes, 0, 10);
    });
    await world.settle();
    peer.resume();
    await world.until('the peer has all of it', () => peer.hasEnd);
    assert.ok(peer.received.equals(bytes));
    assert.ok(!owner.isClosed, 'the peer may still speak');
    peer.end();
    await world.until('it is closed', () => owner.isClosed);
    await world.settle();
    assert.equal(owner.calls.filter((call) => call.startsWith('closed')).length, 1);
  });

  each('5: a peer that takes nothing of what is queued for so long is left', async (world, { conn, owner, peer }) => {
    peer.pause();
    const piece = pattern(1 << 20);
    // More than the system keeps for both ends.
    owner.calling(() => {
      for (let i = 0; i < 32; i++) conn.write(piece, 0, piece.length);
      conn.endAfterFlush(100);
    });
    await world.until('it is closed', () => owner.isClosed);
  });

  each('endAfterFlush(0) closes without waiting for the peer', async (world, { conn, owner, peer }) => {
    owner.calling(() => {
      conn.write(Buffer.from('bye'), 0, 3);
      conn.endAfterFlush(0);
    });
    await world.until('it is closed', () => owner.isClosed);
    await world.until('the peer has it', () => peer.hasEnd);
    assert.equal(peer.received.toString(), 'bye');
  });

  each('3, 4: abort resets the peer; its fault is told once, afterwards', async (world, { conn, owner, peer }) => {
    owner.calling(() => {
      conn.abort(DOWN_RESET);
      conn.abort(UP_RESET);
      conn.endAfterFlush(10);
    });
    await world.until('both know', () => owner.isClosed && peer.isClosed);
    await world.settle();
    assert.equal(owner.calls.at(-1), `closed ${DOWN_RESET}`);
    assert.equal(owner.calls.filter((call) => call.startsWith('closed')).length, 1);
  });

  for (const [role, make] of ROLES)
    law(`a reset by the peer is told as that (${role})`, async (world) => {
      const { owner, peer } = await make(world);
      peer.reset();
      await world.until('it is closed', () => owner.isClosed);
      assert.equal(owner.calls.at(-1), `closed ${role === 'accepted' ? DOWN_RESET : UP_RESET}`);
    });

  each('9: a closed connection does nothing any more', async (world, { conn, owner }) => {
    owner.calling(() => conn.abort(UP_RESET));
    await world.until('it is closed', () => owner.isClosed);
    const calls = owner.calls.length;
    owner.calling(() => {
      conn.write(pattern(10), 0, 10);
      conn.hold(HOLD_FILTER);
      conn.release(HOLD_FILTER);
      conn.setHighMark(10);
      conn.shutdownAfterFlush();
      conn.endAfterFlush(10);
      conn.abort(DOWN_RESET);
    });
    assert.equal(typeof conn.remoteAddress.host, 'string');
    assert.equal(typeof conn.localAddress.host, 'string');
    await world.settle();
    assert.equal(owner.calls.length, calls);
  });

  each('10: the clock stands still within a turn and never goes back', async (world, { owner, peer }) => {
    const { transport } = world;
    const times: number[] = [];
    owner.onBytesCall = () => {
      const before = [transport.nowMs(), transport.nowUs()];
      for (const until = performance.now() + 3; performance.now() < until; );
      assert.deepEqual([transport.nowMs(), transport.nowUs()], before);
      times.push(before[1] as number);
    };
    for (let i = 1; i <= 5; i++) {
      peer.send(pattern(1));
      await world.until('it came', () => owner.byteCount === i);
    }
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
  });

  law('many connections at once keep their bytes apart', async (world) => {
    const { transport } = world;
    const owners: Recorder[] = [];
    transport.onAccepted = (conn) => {
      const owner = new Recorder(transport);
      owner.onBytesCall = (bytes, start, end) => conn.write(bytes, start, end);
      conn.owner = owner;
      owners.push(owner);
    };
    const peers = Array.from({ length: 200 }, () => world.connect());
    await world.until('all are accepted', () => owners.length === 200);
    const texts = peers.map((_, i) => `peer ${i} says ${'.'.repeat(i * 7)}`);
    for (const [i, peer] of peers.entries()) peer.send(Buffer.from(texts[i] as string));
    await world.until('all are answered', () =>
      peers.every((peer, i) => peer.received.length === (texts[i] as string).length),
    );
    assert.deepEqual(
      peers.map((peer) => peer.received.toString()),
      texts,
    );
    for (const peer of peers) peer.end();
    await world.until('all ends are told', () => owners.every((owner) => owner.calls.includes('peerEnd')));
  });

  law('onTurnFlushed follows the turn, when its bytes have left the arena', async (world) => {
    let flushes = 0;
    world.transport.onTurnFlushed = () => {
      flushes++;
    };
    const { owner, peer } = await accept(world);
    const before = flushes;
    peer.send(pattern(10));
    await world.until('bytes come', () => owner.byteCount === 10);
    peer.send(pattern(10));
    await world.until('the turn is over', () => flushes > before);
  });

  law('carved places of the arena do not overlap', async (world) => {
    const { arena } = world.transport;
    const places = Array.from({ length: 50 }, () => arena.carve(2752)).filter((at) => at >= 0);
    for (const [i, at] of places.entries()) {
      assert.ok(at + 2752 <= arena.bytes.length);
      for (const other of places.slice(0, i)) assert.ok(Math.abs(other - at) >= 2752);
    }
    const scratch = arena.reserve(1000);
    assert.ok(places.every((at) => scratch + 1000 <= at || scratch >= at + 2752));
  });
}
