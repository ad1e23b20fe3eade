/** PriorityLoads: how many of a hundred requests go to each priority, by how many of its endpoints are well. */
import type { EndpointRecord } from '../plan/records.js';

// Envoy's rules in whole numbers. A priority with n of m endpoints well takes min(100, overprovisioning x n / m) of what
// there is, the lower numbers first; then degraded endpoints in the same way. When all priorities together have less
// than 100, one of which too few are well is in panic: it uses all of its endpoints, well or not, lest the few that are
// left be crushed. When all are in panic each gets its part by its size.

export interface PriorityLoad {
  readonly priority: number;
  /** Of 100 requests. */
  readonly load: number;
  readonly isPanic: boolean;
  /** Endpoints to choose from: healthy, degraded, or all. */
  readonly indexes: readonly number[];
}

interface Level {
  readonly healthy: number[];
  readonly degraded: number[];
  readonly all: number[];
}

/** overprovisioning: percent, 140 = 1.4. panicPercent: below it a priority panics; 0 = never. Loads above 0 alone. members: indexes that are considered. */
export function priorityLoads(
  records: readonly EndpointRecord[],
  overprovisioning: number,
  panicPercent: number,
  members: readonly number[] = records.map((_, index) => index),
): PriorityLoad[] {
  const levels = levelsOf(records, members);
  const part = (count: number, level: Level): number =>
    level.all.length === 0 ? 0 : Math.min(100, Math.floor((overprovisioning * count) / level.all.length));
  const healthy = levels.map((level) => part(level.healthy.length, level));
  const degraded = levels.map((level) => part(level.degraded.length, level));
  const available = Math.min(
    100,
    [...healthy, ...degraded].reduce((sum, each) => sum + each, 0),
  );
  const isPanic = levels.map(({ healthy, degraded, all }) => {
    const well = all.length === 0 ? 0 : (100 * (healthy.length + degraded.length)) / all.length;
    return available < 100 && well < panicPercent;
  });
  if (isPanic.every(Boolean)) return totalPanic(levels);
  if (available === 0) return [];
  const ofHealthy = distribute(healthy, 100, available);
  const left = 100 - ofHealthy.reduce((sum, each) => sum + each, 0);
  const ofDegraded = distribute(degraded, left, available);
  addRest(ofHealthy, ofDegraded);
  const found: PriorityLoad[] = [];
  levels.forEach((level, priority) => {
    const indexes = isPanic[priority] ? level.all : level.healthy;
    found.push({ priority, load: ofHealthy[priority] as number, isPanic: isPanic[priority] as boolean, indexes });
  });
  levels.forEach((level, priority) => {
    const indexes = isPanic[priority] ? level.all : level.degraded;
    found.push({ priority, load: ofDegraded[priority] as number, isPanic: isPanic[priority] as boolean, indexes });
  });
  return found.filter(({ load }) => load > 0);
}

function levelsOf(records: readonly EndpointRecord[], members: readonly number[]): Level[] {
  const levels: Level[] = [];
  for (const index of members) {
    const { priority, health } = records[index] as EndpointRecord;
    while (levels.length <= priority) levels.push({ healthy: [], degraded: [], all: [] });
    const level = levels[priority] as Level;
    level.all.push(index);
    if (health === 'HEALTHY') level.healthy.push(index);
    else if (health === 'DEGRADED') level.degraded.push(index);
  }
  return levels;
}

function distribute(parts: readonly number[], total: number, available: number): number[] {
  let left = total;
  return parts.map((part) => {
    const load = Math.min(left, Math.round((part * 100) / available));
    left -= load;
    return load;
  });
}

/** What rounding has left over goes to the first that has any. */
function addRest(ofHealthy: number[], ofDegraded: number[]): void {
  const rest = 100 - [...ofHealthy, ...ofDegraded].reduce((sum, each) => sum + each, 0);
  const loads = ofHealthy.some((load) => load > 0) ? ofHealthy : ofDegraded;
  const first = loads.findIndex((load) => load > 0);
  loads[first] = (loads[first] as number) + rest;
}

function totalPanic(levels: readonly Level[]): PriorityLoad[] {
  const count = levels.reduce((sum, { all }) => sum + all.length, 0);
  const loads = levels.map(({ all }) => (count === 0 ? 0 : Math.floor((100 * all.length) / count)));
  const first = levels.findIndex(({ all }) => all.length > 0);
  if (first < 0) return [];
  loads[first] = (loads[first] as number) + 100 - loads.reduce((sum, each) => sum + each, 0);
  return levels
    .map(({ all }, priority) => ({ priority, load: loads[priority] as number, isPanic: true, indexes: all }))
    .filter(({ load }) => load > 0);
}
