/** Supervising: workers that die are replaced, and nothing that they held stays taken. */
import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { PlanRegistry } from '../../../engine/control/registry.js';
import { Supervisor } from '../../../engine/control/supervise.js';
import { WORKER } from '../../../engine/metrics/declare.js';
import { yaml } from '../../support/config-problems.js';
import { freePort } from '../../support/free-port.js';
import { RunningControl } from '../../support/running-control.js';

let control: RunningControl | null = null;
let origin: http.Server | null = null;
afterEach(async () => {
  await control?.stop();
  control = null;
  origin?.close();
  origin?.closeAllConnections();
  origin = null;
});

/** A proxy before an origin that never answers; answers with its port. */
async function stuck(): Promise<number> {
  const server = http.createServer(() => {});
  origin = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = await freePort();
  const text = yaml().replace('port_value: 8000', `port_value: ${port}`);
  control = await RunningControl.start(text.replace('9001', String((server.address() as AddressInfo).port)));
  return port;
}
function taken(): number {
  return new Int32Array((control as RunningControl).supervisor.sharedCells).reduce(
    (sum, cell) => sum + Math.abs(cell),
    0,
  );
}

test('what a worker held in the shared cells is given back when it dies, again and again', async () => {
  const port = await stuck();
  assert.ok(control !== null);
  const [worker] = control.supervisor.workers;
  assert.ok(worker !== undefined);
  for (let round = 1; round <= 5; round++) {
    const sockets: net.Socket[] = [];
    for (let i = 0; i < 4; i++) {
      const socket = net.connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
      socket.on('error', () => {});
      sockets.push(socket);
    }
    await control.until(() => worker.connections.active === 4 && taken() >= 4 * 4);
    worker.send({ kind: 'die' });
    await control.until(() => worker.restarts === round && worker.isServing);
    assert.equal(worker.connections.active, 0, 'gauges begin anew');
    for (const socket of sockets) socket.destroy();
  }
  assert.equal(taken(), 0);
  assert.equal(worker.connections.total, 5 * 4, 'counters go on');
  assert.ok(control.log.some((line) => line.startsWith('error worker: worker 0 died and is replaced')));
});

test('whoever asks a worker that dies is told so', async () => {
  await stuck();
  assert.ok(control !== null);
  const [worker] = control.supervisor.workers;
  assert.ok(worker !== undefined && (await worker.memory()) !== null);
  const answer = worker.answer('prepared', 99);
  worker.send({ kind: 'die' });
  assert.equal(await answer, null);
  await control.until(() => worker.isServing);
  assert.ok((await worker.memory()) !== null, 'the new one answers');
});

test('only workers that serve are named; none does before there is a plan', async () => {
  const registry = new PlanRegistry();
  const supervisor = new Supervisor({ count: 2, transport: 'node', registry, log: () => {}, onReplaced: () => {} });
  await supervisor.start();
  assert.deepEqual(supervisor.serving(), []);
  assert.deepEqual(
    supervisor.workers.map(({ isReady, base }) => [isReady, base]),
    [
      [true, 0],
      [true, WORKER.names.length],
    ],
  );
  await supervisor.stop();
  assert.deepEqual(
    supervisor.workers.map(({ port, isReady }) => [port, isReady]),
    [
      [null, false],
      [null, false],
    ],
  );
});
