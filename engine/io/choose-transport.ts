/** Which transport: native where the addon loads, else node; decided once on main, with the reason for the log. */
import { type Addon, loadAddon } from './addon.js';
import type { Transport } from './transport.js';
import { NativeTransport } from './transport-native.js';
import { NodeTransport } from './transport-node.js';

export interface TransportChoice {
  readonly name: 'native' | 'node';
  readonly reason: string;
  readonly addon: Addon | null;
}

/** Throws when native is demanded and can't be had. */
export function chooseTransport(wanted: 'auto' | 'native' | 'node'): TransportChoice {
  if (wanted === 'node') return { name: 'node', reason: 'as --transport says', addon: null };
  const { addon, reason } = loadAddon();
  if (addon !== null) return { name: 'native', reason, addon };
  if (wanted === 'native') throw new Error(`--transport native: ${reason}`);
  return { name: 'node', reason, addon: null };
}

export function openTransport(name: 'native' | 'node', workerId: number): Transport {
  if (name === 'node') return new NodeTransport();
  const { addon, reason } = loadAddon();
  if (addon === null) throw new Error(reason);
  return new NativeTransport(addon, workerId);
}
