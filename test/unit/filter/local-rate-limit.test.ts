/** LocalRateLimit: who is counted, who is refused, and what both sides are told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS, type FaultCode } from '../../../engine/fault/faults.js';
import { DONE, type FilterContext, NEXT, STATELESS, type Verdict } from '../../../engine/filter/filter.js';
import { LOCAL_RATE_LIMIT } from '../../../engine/filter/local-rate-limit.js';
import type { Head } from '../../../engine/http/head.js';
import { RATE_LIMIT } from '../../../engine/metrics/declare.js';
import type { LocalRateLimitRecord } from '../../../engine/plan/local-rate-limit-record.js';
import { newHead } from '../../support/fake-conn.js';

const add = (name: string): LocalRateLimitRecord['mutations']['requestAdd'] => [
  { name, value: 'yes', action: 'APPEND_IF_EXISTS_OR_ADD', keepEmptyValue: false },
];
const RECORD: LocalRateLimitRecord = {
  counters: 100,
  bucket: 3,
  intervalNs: 5,
  capacityNs: 50,
  perConnection: false,
  enabled: { numerator: 100, denominator: 100 },
  enforced: { numerator: 100, denominator: 100 },
  status: 429,
  saysExhausted: false,
  mutations: { requestAdd: add('x-over'), requestRemove: [], responseAdd: add('x-refused'), responseRemove: [] },
};

interface Seen {
  readonly verdict: Verdict;
  readonly counted: string[];
  readonly status: number;
  readonly fault: string;
  readonly request: string[];
  readonly response: string[];
}

function namesOf(head: Head): string[] {
  const names = ['x-envoy-ratelimited', 'x-over', 'x-refused'];
  return names.filter((name) => head.findByName(new TextEncoder().encode(name)) >= 0);
}

/** draws: what the dice show. */
function run(record: LocalRateLimitRecord, hasToken: boolean, draws: number[] = []): Seen {
  const config = LOCAL_RATE_LIMIT.build(record, 4);
  const request = newHead();
  const response = newHead();
  const counted: string[] = [];
  let status = 0;
  let given: FaultCode = 0;
  const x = {
    marks: 0,
    request,
    response,
    draw: () => draws.shift() as number,
    addTo: (slot: number) => counted.push(RATE_LIMIT.names[slot - record.counters] as string),
    takeToken: (...what: unknown[]) => {
      assert.deepEqual(what, [3, 5, 50, record.perConnection]);
      return hasToken;
    },
    reply: (code: number, body: Uint8Array, fault: FaultCode) => {
      assert.equal(Buffer.from(body).toString(), 'local_rate_limited');
      status = code;
      given = fault;
      return DONE;
    },
  } as unknown as FilterContext;
  const verdict = LOCAL_RATE_LIMIT.onRequestHead?.(x, config, STATELESS, true) as Verdict;
  LOCAL_RATE_LIMIT.onResponseHead?.(x, config, STATELESS, true);
  return {
    verdict,
    counted,
    status,
    fault: FAULTS[given]?.flag ?? '',
    request: namesOf(request),
    response: namesOf(response),
  };
}

test('a request with a token passes, one without is refused and told so', () => {
  const passed = { verdict: NEXT, counted: ['enabled', 'ok'], status: 0, fault: '', request: [], response: [] };
  assert.deepEqual(run(RECORD, true), passed);
  assert.deepEqual(run({ ...RECORD, perConnection: true }, true), passed);
  assert.deepEqual(run(RECORD, false), {
    verdict: DONE,
    counted: ['enabled', 'rate_limited', 'enforced'],
    status: 429,
    fault: 'RL',
    request: [],
    response: ['x-envoy-ratelimited', 'x-refused'],
  });
});

test('what is not enabled takes no token; what is not enforced passes and says so upstream', () => {
  const half = { numerator: 50, denominator: 100 };
  const idle = { verdict: NEXT, counted: [], status: 0, fault: '', request: [], response: [] };
  assert.deepEqual(run({ ...RECORD, enabled: half }, false, [50]), idle);
  assert.deepEqual(run({ ...RECORD, enabled: half }, true, [49]).counted, ['enabled', 'ok']);
  const off = { numerator: 0, denominator: 100 };
  assert.deepEqual(run({ ...RECORD, enforced: off }, false), {
    ...idle,
    counted: ['enabled', 'rate_limited'],
    request: ['x-over'],
  });
});

test('gRPC calls are told UNAVAILABLE, or RESOURCE_EXHAUSTED where the config says so', () => {
  const told = (saysExhausted: boolean): unknown => {
    let fault: FaultCode = 0;
    const x = { marks: 0, addTo: () => {}, takeToken: () => false } as unknown as FilterContext;
    x.reply = (_status, _body, code) => {
      fault = code;
      return DONE;
    };
    LOCAL_RATE_LIMIT.onRequestHead?.(x, LOCAL_RATE_LIMIT.build({ ...RECORD, saysExhausted }, 1), STATELESS, true);
    return FAULTS[fault]?.grpcStatus;
  };
  assert.deepEqual([told(false), told(true)], [14, 8]);
});
