/** Frames: types, flags, sizes and settings of HTTP/2 by their numbers (RFC 9113 §4, §6). */

export const FRAME_DATA = 0;
export const FRAME_HEADERS = 1;
export const FRAME_PRIORITY = 2;
export const FRAME_RST_STREAM = 3;
export const FRAME_SETTINGS = 4;
export const FRAME_PUSH_PROMISE = 5;
export const FRAME_PING = 6;
export const FRAME_GOAWAY = 7;
export const FRAME_WINDOW_UPDATE = 8;
export const FRAME_CONTINUATION = 9;

export const FLAG_END_STREAM = 1;
/** SETTINGS and PING. */
export const FLAG_ACK = 1;
export const FLAG_END_HEADERS = 4;
export const FLAG_PADDED = 8;
export const FLAG_PRIORITY = 32;

export const FRAME_HEADER_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE at its initial value, the one that we keep: bigger frames would only hold up other streams. */
export const FRAME_BYTES_MAX = 16384;
/** The most that a peer may announce (RFC 9113 §6.5.2). */
export const FRAME_BYTES_LIMIT = 16777215;

export const SETTING_HEADER_TABLE_SIZE = 1;
export const SETTING_ENABLE_PUSH = 2;
export const SETTING_MAX_CONCURRENT_STREAMS = 3;
export const SETTING_INITIAL_WINDOW_SIZE = 4;
export const SETTING_MAX_FRAME_SIZE = 5;
export const SETTING_MAX_HEADER_LIST_SIZE = 6;
/** RFC 8441. */
export const SETTING_ENABLE_CONNECT_PROTOCOL = 8;
export const SETTING_BYTES = 6;

/** The largest window, stream id and setting that is a count. */
export const INT31_MAX = 0x7fffffff;
/** Windows of streams and connections before anybody says otherwise (RFC 9113 §6.9.2). */
export const INITIAL_WINDOW_BYTES = 65535;
export const HEADER_TABLE_BYTES = 4096;

/** What a client sends first (RFC 9113 §3.4). */
export const PREFACE = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function uint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) * 0x1000000 +
      ((bytes[at + 1] as number) << 16) +
      ((bytes[at + 2] as number) << 8) +
      (bytes[at + 3] as number)) >>>
    0
  );
}

/** Stream ids and window increments: the highest bit is reserved and ignored. */
export function uint31(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) & 0x7f) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
  return at + 4;
}

/** Answers the offset behind it. */
export function writeFrameHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  id: number,
): number {
  bytes[at] = length >>> 16;
  bytes[at + 1] = (length >>> 8) & 0xff;
  bytes[at + 2] = length & 0xff;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = id >>> 24;
  bytes[at + 6] = (id >>> 16) & 0xff;
  bytes[at + 7] = (id >>> 8) & 0xff;
  bytes[at + 8] = id & 0xff;
  return at + FRAME_HEADER_BYTES;
}
