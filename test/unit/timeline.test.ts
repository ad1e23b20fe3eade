/** Timelines of scenarios, and how a backend behaves under them, on a clock of the test's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Behaviour, serviceMs } from '../../bench/backend/behaviour.js';
import { arrivalTimes, KeyDraw } from '../../bench/generator/arrivals.js';
import type { Change, Scenario } from '../../bench/scenario/scenario.js';
import { timelineOf } from '../../bench/scenario/timeline.js';
import { Prng } from '../../engine/base/prng.js';

class TestClock {
  now = 0;
  readonly #calls: { readonly at: number; readonly call: () => void }[] = [];
  nowMs(): number {
    return this.now;
  }
  after(ms: number, call: () => void): void {
    this.#calls.push({ at: this.now + ms, call });
  }
  runTo(ms: number): void {
    for (;;) {
      this.#calls.sort((a, b) => a.at - b.at);
      const next = this.#calls[0];
      if (next === undefined || next.at > ms) break;
      this.#calls.shift();
      this.now = next.at;
      next.call();
    }
    this.now = ms;
  }
}

const SETTINGS = {
  latency: { distribution: 'CONSTANT', meanMs: 10, sigma: 0 },
  concurrency: 0,
  queue: 0,
  failures: null,
  speed: 1,
  bodyBytes: 0,
} as const;

function run(settings: ConstructorParameters<typeof Behaviour>[0]): {
  clock: TestClock;
  behaviour: Behaviour;
  answers: string[];
} {
  const clock = new TestClock();
  const behaviour = new Behaviour(settings, Prng.fromSeed(1), clock, () => {});
  return { clock, behaviour, answers: [] };
}

function arrive({ behaviour, answers, clock }: ReturnType<typeof run>, count: number): void {
  for (let i = 0; i < count; i++) behaviour.arrive({ answer: (status) => answers.push(`${status} at ${clock.now}`) });
}

test('beyond its concurrency requests wait in order, beyond its queue they are refused', () => {
  const each = run({ ...SETTINGS, concurrency: 1, queue: 1 });
  arrive(each, 3);
  each.clock.runTo(100);
  assert.deepEqual(each.answers, ['503 at 0', '200 at 10', '200 at 20']);
  assert.deepEqual([each.behaviour.received, each.behaviour.failed, each.behaviour.inFlightMax], [3, 1, 3]);
});

test('speed divides the latency of what begins later; failures come with their own latency', () => {
  const each = run(SETTINGS);
  arrive(each, 1);
  each.behaviour.change({ speed: 0.5 });
  arrive(each, 1);
  each.behaviour.change({ failures: { fraction: 1, status: 500, latencyMs: 1 } });
  arrive(each, 1);
  each.clock.runTo(100);
  assert.deepEqual(each.answers, ['500 at 1', '200 at 10', '200 at 20']);
});

test('a frozen backend answers when the freeze is over', () => {
  const each = run(SETTINGS);
  arrive(each, 1);
  each.clock.runTo(5);
  each.behaviour.change({ freezeMs: 100 });
  arrive(each, 1);
  each.clock.runTo(120);
  assert.deepEqual(each.answers, ['200 at 105', '200 at 105']);
});

test('latencies have the mean that was asked for', () => {
  for (const distribution of ['CONSTANT', 'EXPONENTIAL', 'LOGNORMAL'] as const) {
    const random = Prng.fromSeed(3);
    let sum = 0;
    for (let i = 0; i < 100000; i++) sum += serviceMs({ distribution, meanMs: 8, sigma: 0.5 }, random);
    assert.ok(Math.abs(sum / 100000 - 8) < 0.1, `${distribution}: ${sum / 100000}`);
  }
});

function scenario(changes: readonly Partial<Change>[]): Scenario {
  const group = { name: 'b', count: 2, ...SETTINGS, isMember: true };
  return {
    groups: [{ ...group, name: 'a', count: 3 }, group],
    load: { warmUpS: 1, durationS: 5 },
    changes: changes.map((change) => ({
      atS: 0,
      forS: null,
      everyS: null,
      group: 'b',
      backends: 2,
      effect: {},
      ...change,
    })),
  } as unknown as Scenario;
}

test('changes come, go and come again until the load ends', () => {
  const moments = timelineOf(scenario([{ atS: 1, forS: 1, everyS: 3, backends: 1, effect: { speed: 0.1 } }]));
  assert.deepEqual(
    moments.map(({ atMs, backend, effect }) => [atMs, backend, effect.speed]),
    [
      [1000, 3, 0.1],
      [2000, 3, 1],
      [4000, 3, 0.1],
      [5000, 3, 1],
    ],
  );
});

test('arrivals are as many as the rate says, and the same for the same seed', () => {
  const uniform = arrivalTimes(100, 2, 'UNIFORM', Prng.fromSeed(1));
  assert.deepEqual([uniform.length, uniform[0], uniform[1]], [200, 5000, 15000]);
  const poisson = arrivalTimes(1000, 20, 'POISSON', Prng.fromSeed(5));
  assert.ok(Math.abs(poisson.length - 20000) < 500, String(poisson.length));
  assert.deepEqual(poisson, arrivalTimes(1000, 20, 'POISSON', Prng.fromSeed(5)));
});

test('the hottest of a thousand keys has its share under ZIPF', () => {
  const draw = new KeyDraw({ count: 1000, distribution: 'ZIPF', exponent: 1, header: '' }, Prng.fromSeed(2));
  let hot = 0;
  for (let i = 0; i < 100000; i++) if (draw.next() === 0) hot++;
  // 1 / (1 + 1/2 + ... + 1/1000)
  assert.ok(Math.abs(hot / 100000 - 0.1336) < 0.005, String(hot));
});
