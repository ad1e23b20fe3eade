/** FilterRun: the laws of filters, with real filters of a few lines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterChain } from '../../../engine/filter/chain.js';
import {
  DONE,
  type FilterContext,
  type FilterKind,
  type FilterState,
  HOLD,
  NEXT,
  TAKEN,
  type Verdict,
  WAIT,
} from '../../../engine/filter/filter.js';
import type { FilterRun } from '../../../engine/filter/filter-run.js';
import type { Head } from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import { newHead } from '../../support/fake-conn.js';
import { FakeFiltered } from '../../support/fake-filtered.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (of: Uint8Array, start: number, end: number): string => Buffer.from(of.subarray(start, end)).toString();

type Hooks = Omit<FilterKind<unknown>, 'typeUrl' | 'build'>;
function start(...hooks: Hooks[]): { x: FakeFiltered; run: FilterRun } {
  const kinds = new Map(hooks.map((each, at) => [`k${at}`, { typeUrl: `k${at}`, build: () => at, ...each }]));
  const records = hooks.map((_, at) => ({ name: `f${at}`, typeUrl: `k${at}`, config: null }));
  const x = new FakeFiltered();
  const run = new FilterChain(records, kinds, []).take() as FilterRun;
  x.run = run;
  run.begin(x.asFiltered());
  return { x, run };
}
function request(run: FilterRun, data: string, last = false): void {
  // A copy that is overwritten afterwards: whoever keeps a reference is found out.
  const lent = bytes(data);
  run.requestData(lent, 0, lent.length, last);
  lent.fill(0x23);
}
function response(run: FilterRun, data: string, last = false): void {
  const lent = bytes(data);
  run.responseData(lent, 0, lent.length, last);
  lent.fill(0x23);
}
function trailers(value = '0'): Head {
  const head = newHead();
  head.add(N['grpc-status'], bytes(value), 0, value.length);
  return head;
}

/** Each chunk in other words, twice. */
const doubling = (mark: string): Hooks => {
  const hook: NonNullable<Hooks['onRequestData']> = (x, _c, _s, of, from, to, last) => {
    const out = bytes(mark + text(of, from, to));
    x.emit(out, 0, out.length, false);
    x.emit(out, 0, out.length, last);
    return TAKEN;
  };
  return { onRequestData: hook, onResponseData: hook };
};

test('law 1: data pass the hooks in order, and in reverse on the way back; what is emitted goes on behind', () => {
  const { x, run } = start(doubling('a'), doubling('b'));
  run.requestHead(false);
  request(run, '1', true);
  assert.deepEqual(x.take(), [
    'request head',
    'request "ba1"',
    'request "ba1"',
    'request "ba1"',
    'request "ba1" end',
    'credit request 1',
  ]);
  run.responseHead(false);
  response(run, '2');
  assert.deepEqual(x.take().slice(0, 2), ['response head', 'response "ab2"']);
});

/** Waits at every step until told to go on. */
class Gate {
  ticket = 0;
  isOpen = false;
  readonly hooks: Hooks;
  constructor() {
    const wait = (x: FilterContext): Verdict => {
      if (this.isOpen) return NEXT;
      this.ticket = x.ticket();
      return WAIT;
    };
    this.hooks = {
      onRequestHead: wait,
      onRequestData: wait,
      onRequestTrailers: wait,
      onResponseHead: wait,
      onResponseData: wait,
      onResponseTrailers: wait,
    };
  }
}

test('law 2: a head that waits goes on behind the filter; what came meanwhile is kept, in order', () => {
  const gate = new Gate();
  const { x, run } = start(doubling('a'), gate.hooks);
  run.requestHead(false);
  request(run, '1');
  request(run, '2');
  assert.deepEqual(x.take(), ['keep request head', 'hold request']);
  gate.isOpen = true;
  x.resume(gate.ticket);
  assert.deepEqual(x.take(), [
    'release request',
    'request head',
    'request "a1"',
    'request "a1"',
    'request "a2"',
    'request "a2"',
    'credit request 2',
  ]);
});

test('law 2: data and trailers are given again, and what filters before it emit comes behind them', () => {
  const gate = new Gate();
  const { x, run } = start(doubling('a'), gate.hooks, doubling('b'));
  gate.isOpen = true;
  run.requestHead(false);
  x.take();
  gate.isOpen = false;
  request(run, '1');
  run.requestTrailers(trailers());
  assert.deepEqual(x.take(), ['hold request', 'release request']);
  assert.equal(x.keptTrailers, 1);
  // Only the first of the two pieces passes, then it waits again.
  const first = gate.ticket;
  x.resume(first);
  assert.notEqual(gate.ticket, first);
  assert.deepEqual(x.take(), []);
  gate.isOpen = true;
  x.resume(gate.ticket);
  assert.deepEqual(x.take(), [
    'request "ba1"',
    'request "ba1"',
    'request "ba1"',
    'request "ba1"',
    'request trailers grpc-status: 0',
    'credit request 1',
  ]);
  assert.equal(x.keptTrailers, 0);
});

test('law 2: the directions wait on their own; an exchange that ends gives back what was kept', () => {
  const gate = new Gate();
  const { x, run } = start(gate.hooks);
  gate.isOpen = true;
  run.requestHead(false);
  gate.isOpen = false;
  run.responseHead(false);
  const ofResponse = gate.ticket;
  request(run, '1');
  gate.isOpen = true;
  x.take();
  x.resume(ofResponse);
  assert.deepEqual(x.take(), ['release response', 'response head']);
  x.resume(gate.ticket);
  assert.deepEqual(x.take(), ['release request', 'request "1"', 'credit request 1']);
  gate.isOpen = false;
  run.responseTrailers(trailers());
  assert.equal(x.keptTrailers, 1);
  run.end();
  assert.equal(x.keptTrailers, 0);
});

test('law 3: tickets that are used, of another exchange, or never given are ignored', () => {
  const gate = new Gate();
  const { x, run } = start(gate.hooks);
  run.requestHead(true);
  const stale = gate.ticket;
  run.end();
  run.begin(x.asFiltered());
  run.requestHead(true);
  x.take();
  for (const ticket of [stale, 0, -1, stale + 1000]) x.resume(ticket);
  assert.deepEqual(x.take(), []);
  x.resume(gate.ticket);
  x.resume(gate.ticket);
  assert.deepEqual(x.take(), ['request head']);
});

test('law 4: a reply visits every response hook; nothing goes upstream; one from a response hook visits none', () => {
  const seen: string[] = [];
  const hooks = (name: string, replies: 'head' | 'response' | ''): Hooks => ({
    onRequestHead: (x) => (replies === 'head' ? x.reply(403, bytes('no'), 0) : NEXT),
    onRequestData: () => {
      seen.push(`${name} saw data`);
      return NEXT;
    },
    onResponseHead: (x) => {
      seen.push(name);
      return replies === 'response' ? x.reply(500, bytes(''), 0) : NEXT;
    },
  });
  const refusing = start(hooks('a', ''), hooks('b', 'head'), hooks('c', ''));
  refusing.run.requestHead(false);
  assert.deepEqual(refusing.x.take(), ['reply 403', 'response head', 'response "no" end', 'credit response 2']);
  request(refusing.run, 'late', true);
  assert.deepEqual(seen.splice(0), ['c', 'b', 'a']);
  const late = start(hooks('a', ''), hooks('b', 'response'), hooks('c', ''));
  late.run.requestHead(true);
  late.run.responseHead(false);
  assert.deepEqual(late.x.take(), ['request head', 'reply 500', 'response head end']);
  assert.deepEqual(seen, ['c', 'b']);
});

test('law 5: trailers that a filter takes become an end', () => {
  const { x, run } = start({
    onResponseTrailers: (context, _c, _s, of) => {
      const out = bytes(of.joinedString('grpc-status') ?? '');
      context.emit(out, 0, out.length, true);
      return TAKEN;
    },
  });
  run.requestHead(true);
  run.responseHead(false);
  x.take();
  run.responseTrailers(trailers('7'));
  assert.deepEqual(x.take(), ['response "7" end']);
});

test('law 6: a head that is held goes on with the first thing that does; an empty end leaves it alone', () => {
  const gathered: string[] = [];
  const hooks: Hooks = {
    onResponseHead: () => HOLD,
    onResponseData: (x, _c, _s, of, from, to, last) => {
      gathered.push(text(of, from, to));
      if (!last) return TAKEN;
      const out = bytes(gathered.splice(0).join('+'));
      x.emit(out, 0, out.length === 2 ? 0 : out.length, true);
      return TAKEN;
    },
  };
  const { x, run } = start({ onResponseHead: () => NEXT }, hooks);
  run.requestHead(true);
  run.responseHead(false);
  response(run, '1');
  assert.deepEqual(x.take(), ['request head', 'keep response head', 'credit response 1']);
  response(run, '2', true);
  assert.deepEqual(x.take(), ['response head', 'response "1+2" end', 'credit response 1']);
  const empty = start(hooks);
  empty.run.requestHead(true);
  empty.run.responseHead(false);
  response(empty.run, '12', true);
  assert.deepEqual(empty.x.take(), ['request head', 'keep response head', 'response head end', 'credit response 2']);
  // With nothing to come it can't be held; with trailers it goes before them.
  const bare = start(hooks);
  bare.run.requestHead(true);
  bare.run.responseHead(true);
  assert.deepEqual(bare.x.take(), ['request head', 'response head end']);
  const ended = start(hooks);
  ended.run.requestHead(true);
  ended.run.responseHead(false);
  ended.run.responseTrailers(trailers());
  assert.deepEqual(ended.x.take().slice(2), ['response head', 'response trailers grpc-status: 0']);
});

test('law 6: a request head is held as well; a client that waits to be asked for the body is asked', () => {
  let gathered = '';
  const hooks: Hooks = {
    onRequestHead: () => HOLD,
    onRequestData: (x, _c, _s, of, from, to, last) => {
      gathered += text(of, from, to);
      if (!last) return TAKEN;
      const out = bytes(gathered);
      x.emit(out, 0, out.length, true);
      return TAKEN;
    },
    onRequestTrailers: (x) => {
      const out = bytes(gathered);
      x.emit(out, 0, out.length, false);
      return NEXT;
    },
  };
  const { x, run } = start(hooks, doubling('b'));
  run.requestHead(false);
  request(run, '1');
  request(run, '2');
  assert.deepEqual(x.take(), ['keep request head', 'ask for body', 'credit request 1', 'credit request 1']);
  run.requestTrailers(trailers());
  assert.deepEqual(x.take(), ['request head', 'request "b12"', 'request "b12"', 'request trailers grpc-status: 0']);
  gathered = '';
  const empty = start(hooks);
  empty.run.requestHead(false);
  request(empty.run, '', true);
  assert.deepEqual(empty.x.take().slice(2), ['request head', 'request "" end', 'credit request 0']);
});

test('law 4: after a reply from a data hook no hook sees what still comes', () => {
  let calls = 0;
  const { x, run } = start({
    onRequestHead: () => HOLD,
    onRequestData: (context) => {
      calls++;
      return context.reply(413, bytes(''), 0);
    },
  });
  run.requestHead(false);
  request(run, '1');
  request(run, '2', true);
  assert.equal(calls, 1);
  assert.ok(!x.take().includes('request head'));
});

test('law 8: what goes on before there is an endpoint is kept in order until there is one', () => {
  const { x, run } = start(doubling('a'), { onRequestHead: () => HOLD, onRequestData: () => NEXT });
  x.isAcquiring = true;
  run.requestHead(false);
  request(run, '1');
  request(run, '2');
  run.requestTrailers(trailers());
  assert.equal(x.keptTrailers, 1);
  assert.deepEqual(x.take(), ['keep request head', 'ask for body', 'request head', 'hold request', 'release request']);
  x.resume(0);
  assert.deepEqual(x.take(), []);
  x.isAcquiring = false;
  run.requestReady();
  assert.deepEqual(x.take(), [
    'request "a1"',
    'request "a1"',
    'request "a2"',
    'request "a2"',
    'request trailers grpc-status: 0',
    'credit request 2',
  ]);
  run.requestReady();
  assert.deepEqual([x.take(), x.keptTrailers], [[], 0]);
});

test('law 8: a filter that goes on while an endpoint is connected to loses nothing', () => {
  const gate = new Gate();
  const { x, run } = start(gate.hooks);
  run.requestHead(false);
  request(run, '1');
  x.isAcquiring = true;
  gate.isOpen = true;
  x.resume(gate.ticket);
  request(run, '2', true);
  assert.deepEqual(x.take(), [
    'keep request head',
    'hold request',
    'release request',
    'request head',
    'hold request',
    'release request',
  ]);
  x.isAcquiring = false;
  run.requestReady();
  assert.deepEqual(x.take(), ['request "1"', 'request "2" end', 'credit request 2']);
});

test('law 2: what a hook emits before it lets something go on stays before it when a filter behind waits', () => {
  const gate = new Gate();
  const { x, run } = start(
    {
      onRequestTrailers: (context) => {
        const out = bytes('rest');
        context.emit(out, 0, out.length, false);
        return NEXT;
      },
    },
    gate.hooks,
  );
  gate.isOpen = true;
  run.requestHead(false);
  gate.isOpen = false;
  x.take();
  run.requestTrailers(trailers());
  gate.isOpen = true;
  x.resume(gate.ticket);
  assert.deepEqual(x.take().slice(-2), ['request "rest"', 'request trailers grpc-status: 0']);
});

test('an answer of ours takes the place of a head that waits', () => {
  const gate = new Gate();
  const { x, run } = start(gate.hooks);
  gate.isOpen = true;
  run.requestHead(true);
  gate.isOpen = false;
  run.responseHead(false);
  const stale = gate.ticket;
  gate.isOpen = true;
  x.take();
  x.reply(504, bytes(''));
  x.resume(stale);
  assert.deepEqual(x.take(), ['reply 504', 'response head end']);
});

test('the state of a filter is new for every exchange', () => {
  class Counter implements FilterState {
    count = 0;
    reset(): void {
      this.count = 0;
    }
  }
  const counts: number[] = [];
  const counting: FilterKind<unknown, Counter> = {
    typeUrl: 'k',
    build: () => 0,
    newState: () => new Counter(),
    onRequestHead: (_x, _c, state) => {
      counts.push(++state.count);
      return NEXT;
    },
    onRequestData: (_x, _c, state) => {
      counts.push(++state.count);
      return DONE;
    },
  };
  const kind = counting as unknown as FilterKind<unknown>;
  const records = ['a', 'b'].map((name) => ({ name, typeUrl: 'k', config: null }));
  const chain = new FilterChain(records, new Map([['k', kind]]), []);
  for (let i = 0; i < 2; i++) {
    const run = chain.take() as FilterRun;
    const x = new FakeFiltered();
    x.run = run;
    run.begin(x.asFiltered());
    run.requestHead(false);
    request(run, '1');
    run.end();
  }
  assert.deepEqual(counts, [1, 1, 2, 1, 1, 2]);
});
