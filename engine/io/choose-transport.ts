/** Which transport: native where the addon loads, else node; decided once on main, with the reason for the log. */
import { type Addon, loadAddon } from './addon.js';
import { HAS_REUSE_PORT } from './listening-node.js';
import type { Transport } from './transport.js';
import { NativeTransport } from './transport-native.js';
import { NodeTransport } from './transport-node.js';

const NODE_WORKERS_MAX = HAS_REUSE_PORT ? Number.MAX_SAFE_INTEGER : 1;

export interface TransportChoice {
  readonly name: 'native' | 'node';
  readonly reason: string;
  readonly addon: Addon | null;
  /** How many workers it can serve an address with. */
  readonly workersMax: number;
}

/** Throws when native is demanded and can't be had. */
export function chooseTransport(wanted: 'auto' | 'native' | 'node'): TransportChoice {
  if (wanted === 'node')
    return { name: 'node', reason: 'as --transport says', addon: null, workersMax: NODE_WORKERS_MAX };
  const { addon, reason } = loadAddon();
  if (addon !== null) return { name: 'native', reason, addon, workersMax: Number.MAX_SAFE_INTEGER };
  if (wanted === 'native') throw new Error(`--transport native: ${reason}`);
  return { name: 'node', reason, addon: null, workersMax: NODE_WORKERS_MAX };
}

export function openTransport(name: 'native' | 'node', workerId: number): Transport {
  if (name === 'node') return new NodeTransport();
  const { addon, reason } = loadAddon();
  if (addon === null) throw new Error(reason);
  return new NativeTransport(addon, workerId);
}
