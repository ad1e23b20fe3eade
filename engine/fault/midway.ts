/** Midway: what a fault of an upstream is once its response has begun. */
import { FAULTS, type Fault, type FaultCode, UP_BROKEN_OFF, UP_RESET_MIDWAY, UP_TRUNCATED } from './faults.js';

/** Whatever came of it went on to the client: nothing is retried, and the flag still says who ended it and how. */
export function midway(fault: FaultCode): FaultCode {
  const { flag } = FAULTS[fault] as Fault;
  if (flag === 'UR') return UP_RESET_MIDWAY;
  if (flag === 'UPE') return UP_BROKEN_OFF;
  return flag === 'UT' ? fault : UP_TRUNCATED;
}
