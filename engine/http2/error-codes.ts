/** Error codes of HTTP/2 (RFC 9113 §7), and THE table between them and faults. */
import {
  type FaultCode,
  FAULTS,
  H2_COMPRESSION,
  H2_FLOOD,
  H2_FLOW_CONTROL,
  H2_FRAME_SIZE,
  H2_PROTOCOL,
  H2_SETTINGS_TIMEOUT,
  H2_STREAM_CLOSED,
  UP_H2_COMPRESSION,
  UP_H2_FLOOD,
  UP_H2_FLOW_CONTROL,
  UP_H2_FRAME_SIZE,
  UP_H2_PROTOCOL,
  UP_H2_SETTINGS_TIMEOUT,
  UP_H2_STREAM_CLOSED,
  UP_STREAM_REFUSED,
} from '../fault/faults.js';

/** What RST_STREAM and GOAWAY say. 0 also stands for "no error" where a function answers one. */
export type ErrorCode = number;
export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const SETTINGS_TIMEOUT = 4;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const CONNECT_ERROR = 10;
export const ENHANCE_YOUR_CALM = 11;

interface Row {
  readonly code: ErrorCode;
  /** The fault when a client did it, and when an upstream did. */
  readonly down: FaultCode;
  readonly up: FaultCode;
}

/** Errors that we find in what a peer sends. */
const ROWS: readonly Row[] = [
  { code: PROTOCOL_ERROR, down: H2_PROTOCOL, up: UP_H2_PROTOCOL },
  { code: FLOW_CONTROL_ERROR, down: H2_FLOW_CONTROL, up: UP_H2_FLOW_CONTROL },
  { code: SETTINGS_TIMEOUT, down: H2_SETTINGS_TIMEOUT, up: UP_H2_SETTINGS_TIMEOUT },
  { code: STREAM_CLOSED, down: H2_STREAM_CLOSED, up: UP_H2_STREAM_CLOSED },
  { code: FRAME_SIZE_ERROR, down: H2_FRAME_SIZE, up: UP_H2_FRAME_SIZE },
  { code: COMPRESSION_ERROR, down: H2_COMPRESSION, up: UP_H2_COMPRESSION },
  { code: ENHANCE_YOUR_CALM, down: H2_FLOOD, up: UP_H2_FLOOD },
  { code: REFUSED_STREAM, down: H2_PROTOCOL, up: UP_STREAM_REFUSED },
];

/** Response flags whose faults are a client's breach of the protocol, or its going away. */
const CODES_BY_FLAG: Readonly<Record<string, ErrorCode>> = {
  DPE: PROTOCOL_ERROR,
  DC: CANCEL,
  DR: CANCEL,
};

const downFaults: FaultCode[] = [];
const upFaults: FaultCode[] = [];
for (const row of ROWS) {
  downFaults[row.code] = row.down;
  upFaults[row.code] = row.up;
}

/** Per fault: what our RST_STREAM says. An upstream hears CANCEL, a client that it is our side that failed. */
const serverCodes = new Uint8Array(FAULTS.length);
const clientCodes = new Uint8Array(FAULTS.length);
for (const { code, flag } of FAULTS) {
  if (code === 0) continue;
  serverCodes[code] = CODES_BY_FLAG[flag] ?? INTERNAL_ERROR;
  clientCodes[code] = flag === 'UPE' ? PROTOCOL_ERROR : CANCEL;
}
clientCodes[0] = CANCEL;
for (const row of ROWS) {
  serverCodes[row.down] = row.code;
  clientCodes[row.up] = row.code;
}
serverCodes[H2_PROTOCOL] = PROTOCOL_ERROR;
clientCodes[UP_STREAM_REFUSED] = CANCEL;

/** The fault of an error of the peer's. */
export function faultOfCode(code: ErrorCode, isServer: boolean): FaultCode {
  return (isServer ? downFaults[code] : upFaults[code]) as FaultCode;
}

/** Faults of header blocks after which the connection can't go on: its tables are lost, or its peer means no good. */
export function endsConnection(fault: FaultCode): boolean {
  return fault === H2_COMPRESSION || fault === H2_FLOOD;
}

/** The code that tells the peer of a fault. */
export function codeOfFault(fault: FaultCode, isServer: boolean): ErrorCode {
  return (isServer ? serverCodes[fault] : clientCodes[fault]) as ErrorCode;
}
