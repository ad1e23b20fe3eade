/** Positions: no two rotations share a cell while there are enough, and all workers give the same ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Positions } from '../../../../engine/upstream/balance/positions.js';
import { clusterPositionCell, ENDPOINT_POSITION, endpointCell } from '../../../../engine/upstream/shared-cells.js';

const ROWS = Int32Array.from({ length: 100 }, (_, index) => 1000 + index);

test('forty rotations of a cluster have forty cells, the first one that of the cluster', () => {
  const lists = Array.from({ length: 40 }, (_, at) => [at, at + 1, at + 2]);
  const [one, other] = [new Positions(5, ROWS), new Positions(5, ROWS)];
  const cells = lists.map((indexes) => one.take(indexes));
  assert.equal(cells[0], clusterPositionCell(5));
  assert.equal(new Set(cells).size, 40);
  assert.deepEqual(
    lists.map((indexes) => other.take(indexes)),
    cells,
  );
  assert.ok(cells.includes(endpointCell(1012, ENDPOINT_POSITION)));
});

test('more rotations over the same endpoints share cells of the cluster', () => {
  const positions = new Positions(5, ROWS);
  const cells = Array.from({ length: 60 }, () => positions.take([1, 2]));
  assert.equal(new Set(cells).size, 12);
});
