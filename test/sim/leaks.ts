/** What must be zero again at the end of a run: cells, gauges, timers, heads; and queues kept their bounds. */
import { PlanRegistry } from '../../engine/control/registry.js';
import { WORKER } from '../../engine/metrics/declare.js';
import type { World } from './world.js';

/** Bytes that one turn may add to a queue that was not full when it began. */
const TURN_BYTES_MAX = 256 * 1024;
/** Heads that a worker shares, beside those of exchanges: three of HTTP/1.1, two of HTTP/2, and its interned lines. */
const SHARED_HEADS = 6;
/** 100, and what script.ts has of others. */
const INTERIMS_MAX = 3;

export function checkNothingLeft(world: World): void {
  const { core, transport, metrics } = world;
  const cells = new Int32Array(world.cells);
  for (const cell of heldCells(cells)) world.violation(`shared cell ${cell} is ${cells[cell]}`);
  for (const { kind, name, base } of world.registry.scopes()) {
    const { names, kinds } = PlanRegistry.declaration(kind);
    names.forEach((gauge, index) => {
      const value = metrics.counters[base.counters + index] as number;
      if (kinds[index] === 'gauge' && value !== 0 && gauge !== 'exchanges_pooled')
        world.violation(`${kind} ${name}: ${gauge} is ${value}`);
      if (value < 0) world.violation(`${kind} ${name}: ${gauge} is below zero`);
    });
  }
  if (transport.links.length > 0) world.violation(`${transport.links.length} connections are left`);
  const pooled = metrics.counters[core.workerBase + WORKER.index.exchanges_pooled] as number;
  // A head more per exchange at most: trailers that a log keeps; and interim heads of HTTP/2, which rest for a turn.
  const perExchange = world.climate.hasHttp2Origins ? 3 + INTERIMS_MAX : 3;
  if (transport.arena.carvedCount > SHARED_HEADS + perExchange * pooled)
    world.violation(`${transport.arena.carvedCount} heads for ${pooled} exchanges`);
  if (transport.queuedMax > world.climate.bufferBytes + TURN_BYTES_MAX)
    world.violation(`${transport.queuedMax} bytes waited for a peer at once`);
}

/** All but the second line of each cluster: positions, seeds and choices of policies, which nobody gives back. */
function heldCells(cells: Int32Array): number[] {
  const held: number[] = [];
  const kept = new Set<number>();
  for (let cluster = 0; cluster < 16; cluster++)
    for (let cell = 0; cell < 16; cell++) kept.add(KEPT_BASE + cluster * 32 + cell);
  for (let cell = 0; cell < cells.length; cell++) if (cells[cell] !== 0 && !kept.has(cell)) held.push(cell);
  return held;
}
const KEPT_BASE = 65536 * 16 + 16;
