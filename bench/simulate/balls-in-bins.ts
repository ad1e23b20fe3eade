/** Balls in bins: requests that come one after another and never end, so that only the choice counts. */
import { Prng } from '../../engine/base/prng.js';
import { buildPicker } from '../../engine/upstream/balance/build-picker.js';
import { NO_HASH } from '../../engine/upstream/balance/request-hash.js';
import { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import {
  ENDPOINT_REQUESTS,
  endpointCell,
  newOwnCellsMemory,
  newSharedCellsMemory,
  SharedCells,
} from '../../engine/upstream/shared-cells.js';
import { endpointRecords } from './fleet.js';
import { leastRequest } from './policies.js';

/** Requests at the fullest of `bins` endpoints after `balls` picks; one choice is RANDOM, more are LEAST_REQUEST. */
export function fullestBin(bins: number, balls: number, choices: number, seed: number): number {
  const cells = new SharedCells(newSharedCellsMemory(), newOwnCellsMemory());
  const table = new EndpointTable(endpointRecords(new Array<number>(bins).fill(1)), 0, cells);
  const record = choices === 1 ? ({ name: 'RANDOM' } as const) : leastRequest(choices);
  const picker = buildPicker(record, table, Prng.fromSeed(seed));
  let fullest = 0;
  for (let ball = 0; ball < balls; ball++) {
    const before = cells.add(endpointCell(picker.pick(NO_HASH, 0), ENDPOINT_REQUESTS), 1);
    if (before >= fullest) fullest = before + 1;
  }
  return fullest;
}
