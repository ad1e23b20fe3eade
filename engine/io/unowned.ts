/** Stand-ins for a connection that nobody owns yet and for an address that can't be read any more. */
import type { Address, ConnOwner } from './transport.js';

export const UNKNOWN_ADDRESS: Address = Object.freeze({ family: 4, host: '0.0.0.0', port: 0 });

export const NO_OWNER: ConnOwner = {
  onOpen() {},
  onHandshake: () => 0,
  onBytes() {},
  onWritable() {},
  onPeerEnd() {},
  onClosed() {},
};
