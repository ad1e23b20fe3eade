/** PeerSettings: what the other side has announced (RFC 9113 §6.5), read and checked. */
import { type ErrorCode, FLOW_CONTROL_ERROR, PROTOCOL_ERROR } from './error-codes.js';
import {
  FRAME_BYTES_LIMIT,
  FRAME_BYTES_MAX,
  HEADER_TABLE_BYTES,
  INITIAL_WINDOW_BYTES,
  INT31_MAX,
  SETTING_BYTES,
  SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_ENABLE_PUSH,
  SETTING_HEADER_TABLE_SIZE,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_FRAME_SIZE,
  uint32,
} from './frames.js';

export class PeerSettings {
  headerTableBytes = HEADER_TABLE_BYTES;
  maxConcurrentStreams = INT31_MAX;
  initialWindowBytes = INITIAL_WINDOW_BYTES;
  /** RFC 8441: we may send extended CONNECT. */
  allowsExtendedConnect = false;
  /** They have been announced; until then the values are those of the protocol. */
  isKnown = false;
  readonly #isServer: boolean;

  /** isServer: we are; the peer is a client then. */
  constructor(isServer: boolean) {
    this.#isServer = isServer;
  }

  /**
   * Takes one frame's payload, of whole settings. The last of several values of one setting counts: a frame full of
   * initial windows costs what one does.
   */
  read(bytes: Uint8Array, start: number, end: number): ErrorCode {
    this.isKnown = true;
    for (let at = start; at < end; at += SETTING_BYTES) {
      const identifier = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      const error = this.#set(identifier, uint32(bytes, at + 2));
      if (error !== 0) return error;
    }
    return 0;
  }

  #set(identifier: number, value: number): ErrorCode {
    switch (identifier) {
      case SETTING_HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        return 0;
      case SETTING_ENABLE_PUSH:
        // A server has nobody to push to it (RFC 9113 §6.5.2).
        return value > 1 || (value === 1 && !this.#isServer) ? PROTOCOL_ERROR : 0;
      case SETTING_MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        return 0;
      case SETTING_INITIAL_WINDOW_SIZE:
        if (value > INT31_MAX) return FLOW_CONTROL_ERROR;
        this.initialWindowBytes = value;
        return 0;
      case SETTING_MAX_FRAME_SIZE:
        return value < FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT ? PROTOCOL_ERROR : 0;
      case SETTING_ENABLE_CONNECT_PROTOCOL:
        // RFC 8441 §3: not taken back.
        if (value > 1 || (value === 0 && this.allowsExtendedConnect)) return PROTOCOL_ERROR;
        this.allowsExtendedConnect = value === 1;
        return 0;
      default:
        return 0;
    }
  }
}
