/** Timeline: a scenario's changes as moments: at which time which backend is set to what. */
import type { BackendGroup, Change, ChangeEffect, Scenario } from './scenario.js';

export interface Moment {
  /** From the first request. */
  readonly atMs: number;
  /** Index over all groups. */
  readonly backend: number;
  readonly effect: ChangeEffect;
}

/** Index of a group's first backend. */
export function firstBackend(scenario: Scenario, group: string): number {
  let first = 0;
  for (const each of scenario.groups) {
    if (each.name === group) return first;
    first += each.count;
  }
  return -1;
}

/** Moments up to the end of the load, in order. */
export function timelineOf(scenario: Scenario): Moment[] {
  const endMs = (scenario.load.warmUpS + scenario.load.durationS) * 1000;
  const moments: Moment[] = [];
  for (const change of scenario.changes) {
    const group = scenario.groups.find(({ name }) => name === change.group) as BackendGroup;
    const first = firstBackend(scenario, change.group);
    const undo = undoOf(change.effect, group);
    for (const atMs of beginnings(change, endMs)) {
      for (let i = 0; i < change.backends; i++) {
        moments.push({ atMs, backend: first + i, effect: change.effect });
        const undoneMs = atMs + (change.forS ?? 0) * 1000;
        if (change.forS !== null && undoneMs < endMs)
          moments.push({ atMs: undoneMs, backend: first + i, effect: undo });
      }
    }
  }
  return moments.sort((a, b) => a.atMs - b.atMs);
}

function beginnings(change: Change, endMs: number): number[] {
  const times: number[] = [];
  for (let atMs = change.atS * 1000; atMs < endMs; atMs += (change.everyS as number) * 1000) {
    times.push(atMs);
    if (change.everyS === null) break;
  }
  return times;
}

/** What the group has of each field that the effect sets; a freeze ends by itself. */
function undoOf(effect: ChangeEffect, group: BackendGroup): ChangeEffect {
  return {
    ...(effect.speed === undefined ? {} : { speed: group.speed }),
    ...(effect.failures === undefined ? {} : { failures: group.failures }),
    ...(effect.isUp === undefined ? {} : { isUp: true }),
    ...(effect.isMember === undefined ? {} : { isMember: group.isMember }),
  };
}
