/** Operations on what workers share, and hashing: each twin of the addon's beside its own in TypeScript. */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { loadAddon } from '../../engine/io/addon.js';
import { PortableRateCells, type RateCells, SET_WORDS } from '../../engine/limit/rate-cells.js';
import { murmurHash2 } from '../../engine/base/murmur2.js';
import { xxHash64 } from '../../engine/base/xxhash64.js';
import { buildMaglev } from '../../engine/upstream/balance/maglev.js';
import { RequestHash } from '../../engine/upstream/balance/request-hash.js';
import { buildRing, type RingConfig } from '../../engine/upstream/balance/ring-hash.js';
import type { TableFill } from '../../engine/base/table-fill.js';
import { PORTABLE_FILL } from '../../engine/upstream/balance/portable-fill.js';
import {
  ENDPOINT_REQUESTS,
  endpointCell,
  newOwnCellsMemory,
  newSharedCellsMemory,
  SharedCells,
} from '../../engine/upstream/shared-cells.js';
import type { CounterHammerTask } from './counter-hammer.js';
import type { Operation } from './operations.js';

const ROW = 2;
/** What a worker has from one request to the next when it does 50,000 in a second. */
const BUSY_WORKER_US = 20;

/** What a request costs in counts: one in flight more, one less, and two looks, as least_request has. */
export function counterOperations(): Operation[] {
  const memory = newSharedCellsMemory();
  const cells = new SharedCells(memory, newOwnCellsMemory());
  const own = new Int32Array(64);
  const group = 'counts of a request';
  const shared = (name: string, thread?: Pick<CounterHammerTask, 'row' | 'pauseUs'>): Operation => ({
    group,
    name: `shared by all workers${name}`,
    ...(thread === undefined ? {} : { beside: () => startHammer({ cells: memory, ...thread }) }),
    run(times) {
      const cell = endpointCell(ROW, ENDPOINT_REQUESTS);
      const other = endpointCell(ROW + 2, ENDPOINT_REQUESTS);
      let sum = 0;
      for (let i = 0; i < times; i++) {
        sum += cells.load(cell) + cells.load(other);
        cells.add(cell, 1);
        cells.add(cell, -1);
      }
      return sum;
    },
  });
  return [
    {
      group,
      name: 'per worker (not what is used)',
      run(times) {
        let sum = 0;
        for (let i = 0; i < times; i++) {
          const at = i & 31;
          sum += (own[at] as number) + (own[at + 1] as number);
          own[at] = (own[at] as number) + 1;
          own[at] = (own[at] as number) - 1;
        }
        return sum;
      },
    },
    shared(''),
    // A second thread needs a second CPU: without one it would only take turns.
    ...(availableParallelism() < 2
      ? []
      : [
          shared(', another at the next endpoint', { row: ROW + 1, pauseUs: 0 }),
          shared(', another at 50,000/s at the same one', { row: ROW, pauseUs: BUSY_WORKER_US }),
          shared(', another that does nothing else at the same one', { row: ROW, pauseUs: 0 }),
        ]),
  ];
}

/** Answers how to end it. */
async function startHammer(task: Omit<CounterHammerTask, 'control'>): Promise<() => Promise<void>> {
  const control = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Worker(new URL('./counter-hammer.js', import.meta.url), { workerData: { ...task, control } });
  await once(thread, 'message');
  return async () => {
    Atomics.store(control, 0, 1);
    await once(thread, 'exit');
  };
}

export function hashOperations(): Operation[] {
  const into = new RequestHash();
  const bytes = new Uint8Array(Buffer.from('session=0123456789abcdef0123456789abcdef; theme=dark'));
  const of = (name: string, hash: (to: number) => void): Operation[] =>
    [8, 40].map((length) => ({
      group: 'hash',
      name: `${name} of ${length} B`,
      run(times) {
        let sum = 0;
        for (let i = 0; i < times; i++) {
          bytes[0] = i;
          hash(length);
          sum ^= into.low;
        }
        return sum;
      },
    }));
  const { addon } = loadAddon();
  const halves = new Int32Array(2);
  return [
    ...of('xxHash64', (to) => xxHash64(into, bytes, 0, to)),
    ...of('MurmurHash2', (to) => murmurHash2(into, bytes, 0, to)),
    ...(addon === null
      ? []
      : [
          ...of('xxHash64, addon,', (to) => addon.hash64(bytes, 0, to, halves, false)),
          ...of('MurmurHash2, addon,', (to) => addon.hash64(bytes, 0, to, halves, true)),
        ]),
  ];
}

const TABLE_SLOTS = 1009;
const RING: RingConfig = { minimumRingSize: TABLE_SLOTS, maximumRingSize: TABLE_SLOTS, hashFunction: 'XX_HASH' };

/** Tables are small here: one of 65,537 slots takes longer per slot, because it leaves the caches. */
export function tableOperations(): Operation[] {
  const members = Array.from({ length: 50 }, (_, index) => ({ key: `10.0.0.${index}:80`, weight: 1, index }));
  const of = (twin: string, fill: TableFill): Operation[] => {
    const each = (name: string, build: () => number): Operation => ({
      group: 'build of a table, per slot',
      name: `${name}, ${twin}`,
      run(times) {
        let sum = 0;
        for (let built = 0; built < times; built += TABLE_SLOTS) sum += build();
        return sum;
      },
    });
    return [
      each('Maglev', () => buildMaglev(members, TABLE_SLOTS, fill).owners[0] as number),
      each('ring', () => buildRing(members, RING, fill).owners[0] as number),
    ];
  };
  const { addon } = loadAddon();
  return [...of('TypeScript', PORTABLE_FILL), ...(addon === null ? [] : of('addon', addon))];
}

const INTERVAL_NS = 1000;
/** Room for 2,048 keys; those that come are 1,024. */
const SETS = 256;
const TOKEN_CELL = SETS * SET_WORDS;
const WINDOW_CELL = TOKEN_CELL + 8;

export function rateOperations(): Operation[] {
  const { addon } = loadAddon();
  const of = (twin: string, cells: RateCells): Operation[] => {
    // Time goes on so that every request is admitted: that is the way that costs most.
    let nowNs = 1e15;
    const each = (name: string, take: () => number): Operation => ({
      group: 'rate cells',
      name: `${name}, ${twin}`,
      run(times) {
        let sum = 0;
        for (let i = 0; i < times; i++) {
          nowNs += INTERVAL_NS;
          sum += take();
        }
        return sum;
      },
    });
    return [
      each('token bucket', () => cells.takeToken(TOKEN_CELL, nowNs, INTERVAL_NS, 100 * INTERVAL_NS)),
      each('token of a keyed table', () => {
        const key = (nowNs / INTERVAL_NS) & 1023;
        return cells.takeKeyed(SETS, Math.imul(key, 0x9e3779b1), key, nowNs, INTERVAL_NS, 1e5 * INTERVAL_NS);
      }),
      each('sliding window', () => cells.takeWindow(WINDOW_CELL, nowNs, 1e9, 1e6)),
    ];
  };
  const words = (): BigInt64Array => new BigInt64Array(new SharedArrayBuffer((WINDOW_CELL + 8) * 8));
  return [
    ...of('TypeScript', new PortableRateCells(words())),
    ...(addon === null ? [] : of('addon', new addon.RateCells(words()))),
  ];
}
