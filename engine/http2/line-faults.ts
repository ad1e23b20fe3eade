/** Line faults: what a line is refused with, by its kind and by the block that it is in. */
import {
  BAD_CONNECTION_FIELD,
  BAD_EXPECT,
  BAD_FIELD_NAME,
  BAD_FIELD_VALUE,
  BAD_HOST,
  BAD_PSEUDO_FIELD,
  BAD_TRAILER,
  type FaultCode,
  TOO_BIG_HEAD,
  TOO_BIG_TRAILERS,
  TOO_MANY_FIELDS,
  UP_BAD_HEADER,
  UP_TOO_BIG_HEAD,
  UP_TOO_MANY_FIELDS,
} from '../fault/faults.js';
import {
  ARG_BAD,
  ARG_REFUSED,
  LINE_BAD_NAME,
  LINE_BAD_PSEUDO,
  LINE_CONNECTION,
  LINE_CONTENT_LENGTH,
  LINE_EXPECT,
  LINE_HOST,
  LINE_TE,
  type LineKind,
} from './header-rules.js';
import type { BlockKind } from './hpack-decoder.js';

const BLOCK_REQUEST: BlockKind = 0;
const BLOCK_TRAILERS: BlockKind = 2;

/** The fault of a request, or what it is called elsewhere. */
export function faultIn(block: BlockKind, request: FaultCode): FaultCode {
  if (block === BLOCK_TRAILERS) return BAD_TRAILER;
  return block === BLOCK_REQUEST ? request : UP_BAD_HEADER;
}

export function tooBig(block: BlockKind): FaultCode {
  if (block === BLOCK_TRAILERS) return TOO_BIG_TRAILERS;
  return block === BLOCK_REQUEST ? TOO_BIG_HEAD : UP_TOO_BIG_HEAD;
}

export function tooMany(block: BlockKind): FaultCode {
  if (block === BLOCK_TRAILERS) return TOO_BIG_TRAILERS;
  return block === BLOCK_REQUEST ? TOO_MANY_FIELDS : UP_TOO_MANY_FIELDS;
}

/** What is wrong with a field whatever else is in the block; 0 = nothing. */
export function fieldFault(block: BlockKind, kind: LineKind, arg: number): FaultCode {
  if (kind === LINE_BAD_NAME) return faultIn(block, BAD_FIELD_NAME);
  if (arg === ARG_BAD) return faultIn(block, BAD_FIELD_VALUE);
  const isRefused = arg === ARG_REFUSED;
  switch (kind) {
    case LINE_CONNECTION:
      return faultIn(block, BAD_CONNECTION_FIELD);
    case LINE_BAD_PSEUDO:
      return faultIn(block, BAD_PSEUDO_FIELD);
    case LINE_TE:
      // Of requests alone, and with one value (RFC 9113 §8.2.2).
      return isRefused || block !== BLOCK_REQUEST ? faultIn(block, BAD_CONNECTION_FIELD) : 0;
    case LINE_HOST:
      return isRefused && block === BLOCK_REQUEST ? BAD_HOST : 0;
    case LINE_EXPECT:
      return isRefused && block === BLOCK_REQUEST ? BAD_EXPECT : 0;
    case LINE_CONTENT_LENGTH:
      return block === BLOCK_TRAILERS ? BAD_TRAILER : 0;
    default:
      return 0;
  }
}
