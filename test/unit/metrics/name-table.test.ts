/** NameTable: numbers that workers agree on, and the bound on names that somebody invents. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { NAME_BYTES_MAX, NameTable, NAMES_MAX, newNameMemory } from '../../../engine/metrics/name-table.js';

const numberOf = (table: NameTable, name: string, isNew: boolean): number =>
  table.numberOf(Buffer.from(name), Buffer.byteLength(name), isNew);

test('a name keeps its number, and only who may gives one', () => {
  const memory = newNameMemory();
  const table = new NameTable(memory);
  const other = new NameTable(memory);
  assert.equal(numberOf(table, 'c/a.B/C', false), -1);
  const number = numberOf(table, 'c/a.B/C', true);
  assert.ok(number >= 0);
  assert.deepEqual([numberOf(other, 'c/a.B/C', false), numberOf(other, 'c/a.B/C', true)], [number, number]);
  assert.notEqual(numberOf(other, 'c/a.B/D', true), number);
  assert.deepEqual([...table.names()].map(([, name]) => name).sort(), ['c/a.B/C', 'c/a.B/D']);
  assert.equal(numberOf(table, 'x'.repeat(NAME_BYTES_MAX + 1), true), -1);
  assert.ok(numberOf(table, 'x'.repeat(NAME_BYTES_MAX), true) >= 0);
});

test('however many are invented, there are no more than fit, and none takes the place of another', () => {
  const table = new NameTable(newNameMemory());
  const first = numberOf(table, 'honest', true);
  const given = new Set<number>();
  for (let i = 0; i < 20 * NAMES_MAX; i++) {
    const number = numberOf(table, `invented ${i}`, true);
    if (number < 0) continue;
    assert.ok(number < NAMES_MAX && !given.has(number));
    given.add(number);
  }
  assert.ok(given.size > NAMES_MAX / 2 && given.size < NAMES_MAX);
  assert.equal(numberOf(table, 'honest', false), first);
});

test('threads that name the same things at once agree', async () => {
  const memory = newNameMemory();
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ NameTable }) => {
      const table = new NameTable(workerData.memory);
      const numbers = {};
      for (let round = 0; round < 50; round++)
        for (let i = 0; i < 200; i++) {
          const name = Buffer.from('method ' + i);
          const number = table.numberOf(name, name.length, true);
          if (number >= 0) (numbers[i] ??= new Set()).add(number);
        }
      parentPort.postMessage(Object.entries(numbers).map(([i, found]) => [Number(i), ...found]));
    });`;
  const module = new URL('../../../engine/metrics/name-table.js', import.meta.url).href;
  const answers = await Promise.all(
    [0, 1, 2].map(
      () =>
        new Promise<number[][]>((resolve, reject) => {
          const worker = new Worker(source, { eval: true, workerData: { memory, module } });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  for (let i = 0; i < 200; i++) {
    const numbers = new Set(
      answers.flatMap((rows) => rows.filter(([name]) => name === i).flatMap((row) => row.slice(1))),
    );
    assert.equal(numbers.size, 1, `method ${i}`);
  }
});
