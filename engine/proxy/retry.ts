/** Retries of our own: which requests may be sent once more without anybody having asked for that. */
import { type FaultCode, FAULTS, UP_STREAM_REFUSED } from '../fault/faults.js';
import { isIdempotent } from '../http/methods.js';
import type { ExchangeRecord } from './exchange-record.js';
import { BODY_KEPT, LOCAL_REPLY, TRAILERS_SENT, UPSTREAM_HEAD } from './exchange-state.js';
import type { Replay } from './replay.js';

/** The keep-alive race, refused connections and refused streams. Each reused connection that died counts. */
const ATTEMPTS_MAX = 4;

/** Keep-alive race: a reused connection died before any byte of an answer (RFC 9110 §9.2.2, RFC 9112 §9.3.1). */
function isRaceRetry(x: ExchangeRecord, fault: FaultCode, replay: Replay | null): boolean {
  const row = FAULTS[fault] as (typeof FAULTS)[number];
  return row.retry === 'reused' && isIdempotent(x.request.method) && canRetry(x, replay);
}

/**
 * The same request may go to the same endpoint once more. HTTP/2 says for certain that a stream was not processed
 * (RFC 9113 §8.7), whatever the method; over HTTP/1 it is the keep-alive race. raced: on a reused connection, unanswered.
 */
export function goesAgain(x: ExchangeRecord, fault: FaultCode, raced: boolean, replay: Replay | null): boolean {
  if (fault === UP_STREAM_REFUSED) return canRetry(x, replay);
  return raced && isRaceRetry(x, fault, replay);
}

/** Nothing behind the head has been passed on, or all of it is still here: the same request can be sent again. */
export function canRetry(x: ExchangeRecord, replay: Replay | null): boolean {
  if (x.attemptCount >= ATTEMPTS_MAX || x.is(UPSTREAM_HEAD | LOCAL_REPLY)) return false;
  if (x.is(BODY_KEPT)) return (replay as Replay).has(x.bytesRelayed);
  return x.bytesRelayed === 0 && !x.is(TRAILERS_SENT);
}
