/** The thread that counts requests of an endpoint beside the one that is measured, as another worker would. */
import { parentPort, workerData } from 'node:worker_threads';
import { ENDPOINT_REQUESTS, endpointCell, newOwnCellsMemory, SharedCells } from '../../engine/upstream/shared-cells.js';

export interface CounterHammerTask {
  readonly cells: SharedArrayBuffer;
  /** [0] becomes 1: stop. */
  readonly control: Int32Array;
  readonly row: number;
  /** From one request to the next, 0 = none. */
  readonly pauseUs: number;
}

if (parentPort !== null) {
  const { cells, control, row, pauseUs } = workerData as CounterHammerTask;
  const counts = new SharedCells(cells, newOwnCellsMemory());
  const cell = endpointCell(row, ENDPOINT_REQUESTS);
  parentPort.postMessage('begun');
  while (Atomics.load(control, 0) === 0) {
    const untilMs = performance.now() + pauseUs / 1000;
    counts.load(cell);
    counts.add(cell, 1);
    counts.add(cell, -1);
    while (pauseUs > 0 && performance.now() < untilMs);
  }
}
