/** TimerWheel: against a plain list, with random arming, moving and disarming. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../engine/base/prng.js';
import { TICK_MS, Timer, TimerWheel } from '../../../engine/base/timer-wheel.js';

class Probe extends Timer {
  firedAt: number[] = [];
  onTimer(nowMs: number): void {
    this.firedAt.push(nowMs);
  }
}

test('every armed timer fires once, not early and at most a tick and a step late', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = Prng.fromSeed(seed);
    const wheel = new TimerWheel(0);
    const probes = Array.from({ length: 50 }, () => new Probe());
    const due = new Map<Probe, number>();
    let now = 0;
    for (let step = 0; step < 2000; step++) {
      const probe = probes[random.below(probes.length)] as Probe;
      const what = random.below(4);
      if (what === 0) {
        wheel.disarm(probe);
        due.delete(probe);
      } else if (what < 3) {
        const deadline = now + 1 + random.below(20000);
        wheel.arm(probe, deadline);
        due.set(probe, deadline);
      }
      now += random.below(50);
      for (const each of probes) each.firedAt = [];
      wheel.advance(now);
      for (const each of probes) {
        const deadline = due.get(each);
        if (each.firedAt.length > 0) {
          assert.equal(each.firedAt.length, 1);
          assert.ok(deadline !== undefined && deadline <= now, `early, seed ${seed}`);
          due.delete(each);
        } else if (deadline !== undefined) assert.ok(deadline > now - 2 * TICK_MS, `late, seed ${seed}`);
      }
    }
  }
});
