/** The integers that the addon and JavaScript exchange; native/event_layout.h says the same, compared at load. */
export const ENTRY_INTS = 4;
export const EVENTS_MAX = 4096;
export const OPS_MAX = 16384;

export const EVENT_BYTES = 1;
export const EVENT_OPENED = 2;
export const EVENT_WRITABLE = 3;
export const EVENT_PEER_END = 4;
export const EVENT_CLOSED = 5;
export const EVENT_ACCEPTED = 6;
export const EVENT_QUEUED = 7;
export const EVENT_HANDSHAKE = 8;

export const OP_WRITE = 1;
export const OP_HOLD = 2;
export const OP_RELEASE = 3;
export const OP_END = 4;
export const OP_SHUTDOWN = 5;
export const OP_ABORT = 6;
export const OP_HIGH_MARK = 7;
export const OP_OPEN = 8;

export const LAYOUT_VERSION = 2 * 1000000 + EVENTS_MAX * 10 + OPS_MAX;
