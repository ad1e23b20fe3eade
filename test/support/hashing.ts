/** Endpoints, tables and hashes for the tests of policies that hash. */
import { Prng } from '../../engine/base/prng.js';
import type { EndpointRecord } from '../../engine/plan/records.js';
import type { HashMember } from '../../engine/upstream/balance/hash-table.js';
import type { HashPolicyRecord } from '../../engine/upstream/balance/hash-tables.js';
import { RequestHash } from '../../engine/upstream/balance/request-hash.js';
import { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import { newSharedCellsMemory, SharedCells } from '../../engine/upstream/shared-cells.js';
import { endpointRecord } from './upstream-harness.js';

export const RING: Extract<HashPolicyRecord, { name: 'RING_HASH' }> = {
  name: 'RING_HASH',
  minimumRingSize: 1024,
  maximumRingSize: 8388608,
  hashFunction: 'XX_HASH',
  useHostname: false,
  balanceFactor: 0,
};
export const MAGLEV: Extract<HashPolicyRecord, { name: 'MAGLEV' }> = {
  name: 'MAGLEV',
  tableSize: 65537,
  useHostname: false,
  balanceFactor: 0,
};

/** 127.0.0.1:port for each of the ports, with these weights (default 1). */
export function members(ports: readonly number[], weights: readonly number[] = []): HashMember[] {
  return ports.map((port, index) => ({ key: `127.0.0.1:${port}`, weight: weights[index] ?? 1, index }));
}

/** Endpoints 10.0.x.y:80, so many; rows are their numbers. */
export function endpoints(count: number, overrides: (row: number) => Partial<EndpointRecord> = () => ({})) {
  return Array.from({ length: count }, (_, row) =>
    endpointRecord(row, {
      address: { family: 4, host: `10.0.${row >> 8}.${row & 255}`, port: 80 },
      ...overrides(row),
    }),
  );
}

const shared = newSharedCellsMemory();

/** Each call has counts of its own where asked for (a memory that is expensive, so not by default). */
export function tableOf(records: readonly EndpointRecord[], cells = shared): EndpointTable {
  return new EndpointTable(records, 0, new SharedCells(cells, cells === shared ? ownNotes : newSharedCellsMemory()));
}
const ownNotes = newSharedCellsMemory();

export function hashOf(value: bigint): RequestHash {
  const hash = new RequestHash();
  hash.low = Number(BigInt.asIntN(32, value));
  hash.high = Number(BigInt.asIntN(32, value >> 32n));
  hash.isSet = true;
  return hash;
}

/** So many random hashes, the same ones each time. */
export function keys(count: number): RequestHash[] {
  const random = Prng.fromSeed(count);
  return Array.from({ length: count }, () => {
    const hash = new RequestHash();
    hash.low = random.next();
    hash.high = random.next();
    hash.isSet = true;
    return hash;
  });
}
