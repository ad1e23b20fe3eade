/** Acceptor: which worker a connection goes to, with workers that count it at once or late. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Acceptor } from '../../engine/acceptor.js';
import type { Addon } from '../../engine/io/addon.js';
import type { ListenerRecord } from '../../engine/plan/records.js';

const RECORD = { index: 0, address: { family: 'ipv4', host: '127.0.0.1', port: 1 }, backlog: 1, reusePort: false };

/** Two workers; isPrompt: who counts a connection while it is being handed over, the others when they are told to. */
async function start(isPrompt: readonly boolean[]): Promise<{ accept(): void; settle(): void; counts: number[] }> {
  let onAccepted: (descriptor: number) => void = () => {};
  const counts = [0, 0];
  let late: number[] = [];
  const take = (worker: number): void => {
    counts[worker] = (counts[worker] as number) + 1;
  };
  class Listening {
    listen(...args: unknown[]): number {
      onAccepted = args[5] as typeof onAccepted;
      return 3;
    }
    close(): void {}
  }
  const addon = {
    Acceptor: Listening,
    addressOf: () => null,
    handOff: (worker: number) => {
      if (isPrompt[worker] === true) take(worker);
      else late.push(worker);
      return true;
    },
  } as unknown as Addon;
  const acceptor = new Acceptor(addon, {
    workerCount: 2,
    serving: () => [0, 1],
    connections: (worker) => ({ total: counts[worker] as number, active: counts[worker] as number }),
  });
  const records = [RECORD as unknown as ListenerRecord];
  await acceptor.open(records);
  acceptor.activate(records);
  const settle = (): void => {
    for (const worker of late) take(worker);
    late = [];
  };
  return { accept: () => onAccepted(4), settle, counts };
}

for (const isPrompt of [
  [true, false],
  [false, true],
  [true, true],
])
  test(`half of the connections to each worker, whichever counts them before handOff() returns: ${isPrompt}`, async () => {
    const { accept, settle, counts } = await start(isPrompt);
    for (let at = 0; at < 8; at++) {
      accept();
      settle();
    }
    assert.deepEqual(counts, [4, 4]);
  });

test('connections on their way count', async () => {
  const { accept, settle, counts } = await start([false, false]);
  for (let at = 0; at < 8; at++) accept();
  settle();
  assert.deepEqual(counts, [4, 4]);
});
