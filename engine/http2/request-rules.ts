/** Request rules: what only the whole header block of a request shows (RFC 9113 §8.3.1, §8.5, RFC 8441). */
import {
  BAD_BODY_ON_CONNECT,
  BAD_HOST_MISSING,
  BAD_PSEUDO_FIELD,
  BAD_TARGET,
  type FaultCode,
} from '../fault/faults.js';
import { HEAD_ASTERISK, HEAD_AUTHORITY_FORM, HEAD_LINE_ODD, type Head, INTERN_SHIFT } from '../http/head.js';
import { METHOD_CONNECT, METHOD_OPTIONS } from '../http/methods.js';
import { N } from '../http/names.js';
import {
  AUTHORITY_WITH_PORT,
  bit,
  LINE_AUTHORITY,
  LINE_METHOD,
  LINE_PATH,
  LINE_PROTOCOL,
  LINE_SCHEME,
  PATH_ASTERISK,
} from './header-rules.js';

const HOST = N.host;

/** seen: a bit for each kind of line that has come; the arguments are of :path and :authority. 0 = fine. */
export function finishRequest(head: Head, seen: number, pathArg: number, authorityArg: number): FaultCode {
  head.flags |= HEAD_LINE_ODD;
  if ((seen & bit(LINE_METHOD)) === 0) return BAD_PSEUDO_FIELD;
  const isConnect = head.method === METHOD_CONNECT;
  const isExtended = (seen & bit(LINE_PROTOCOL)) !== 0;
  if (isExtended && !isConnect) return BAD_PSEUDO_FIELD;
  if (isConnect && !isExtended) return finishConnect(head, seen, authorityArg);
  if ((seen & bit(LINE_SCHEME)) === 0 || (seen & bit(LINE_PATH)) === 0) return BAD_PSEUDO_FIELD;
  if (isExtended && (seen & bit(LINE_AUTHORITY)) === 0) return BAD_PSEUDO_FIELD;
  if (pathArg === PATH_ASTERISK) {
    if (head.method !== METHOD_OPTIONS) return BAD_TARGET;
    head.flags |= HEAD_ASTERISK;
  }
  return (seen & bit(LINE_AUTHORITY)) !== 0 ? 0 : authorityFromHost(head);
}

/** A request without :authority, as one that was HTTP/1.1 may be (RFC 9113 §8.3.1). */
function authorityFromHost(head: Head): FaultCode {
  const slot = head.find(HOST);
  if (slot < 0) return BAD_HOST_MISSING;
  head.authorityIntern = head.fieldFlags(slot) >>> INTERN_SHIFT;
  const base = head.authorityIntern !== 0 ? 0 : head.base;
  head.authorityStart = head.valueStart(slot) - base;
  head.authorityEnd = head.valueEnd(slot) - base;
  return 0;
}

/** RFC 9113 §8.5. */
function finishConnect(head: Head, seen: number, authorityArg: number): FaultCode {
  if ((seen & (bit(LINE_SCHEME) | bit(LINE_PATH))) !== 0) return BAD_PSEUDO_FIELD;
  if ((seen & bit(LINE_AUTHORITY)) === 0 || authorityArg !== AUTHORITY_WITH_PORT) return BAD_TARGET;
  if (head.contentLength > 0) return BAD_BODY_ON_CONNECT;
  head.flags |= HEAD_AUTHORITY_FORM;
  return 0;
}
