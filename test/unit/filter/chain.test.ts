/** FilterChain: order of hooks, configs of routes, filters that a route switches off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterChain } from '../../../engine/filter/chain.js';
import { FILTER_KINDS } from '../../../engine/filter/filter-kinds.js';
import { DONE, type FilterContext, type FilterKind, NEXT, type Verdict } from '../../../engine/filter/filter.js';
import type { RouteRecord } from '../../../engine/plan/records.js';
import { prefix } from '../../support/routes.js';

const seen: string[] = [];
const both: FilterKind<unknown> = {
  typeUrl: 'both',
  build: (record, mark) => `${record}/${mark}`,
  onRequestHead(_x: FilterContext, config: unknown): Verdict {
    seen.push(`> ${config}`);
    return config === 'stop/2' ? DONE : NEXT;
  },
  onResponseHead(_x: FilterContext, config: unknown): void {
    seen.push(`< ${config}`);
  },
};
const response: FilterKind<unknown> = {
  typeUrl: 'response',
  build: (record, mark) => `${record}/${mark}`,
  onResponseHead: (_x, config) => void seen.push(`< ${config}`),
};
const KINDS = new Map([both, response].map((kind) => [kind.typeUrl, kind]));
const filter = (name: string, typeUrl = 'both'): { name: string; typeUrl: string; config: unknown } => ({
  name,
  typeUrl,
  config: name,
});
const route = (typedPerFilterConfig: Record<string, unknown>): RouteRecord => ({
  ...prefix('/'),
  typedPerFilterConfig,
});

function run(chain: FilterChain, routeRecord: RouteRecord | null): { verdicts: Verdict[]; seen: string[] } {
  seen.length = 0;
  const x = { routeRecord } as FilterContext;
  const verdicts = Array.from({ length: chain.requestHooks }, (_, at) => chain.runRequestHead(at, x));
  chain.runResponseHead(x);
  return { verdicts, seen: [...seen] };
}

test('requests visit the filters in order, responses in reverse; each has a bit of its own', () => {
  const chain = new FilterChain([filter('a'), filter('stop'), filter('c', 'response')], KINDS, []);
  const wanted = { verdicts: [NEXT, DONE], seen: ['> a/1', '> stop/2', '< c/4', '< stop/2', '< a/1'] };
  assert.deepEqual(run(chain, null), wanted);
  assert.deepEqual(run(chain, route({})), wanted);
});

test('a route has a config of its own, or none of the filter', () => {
  const own = route({ a: 'other', x: 'nobody' });
  const off = route({ a: null, b: null });
  const chain = new FilterChain([filter('a'), filter('b')], KINDS, [own, off, route({})]);
  assert.deepEqual(run(chain, own).seen, ['> other/1', '> b/2', '< b/2', '< other/1']);
  assert.deepEqual(run(chain, off), { verdicts: [NEXT, NEXT], seen: [] });
  assert.deepEqual(run(chain, null).seen, ['> a/1', '> b/2', '< b/2', '< a/1']);
});

test('a kind that is not there is an error of ours', () => {
  assert.throws(() => new FilterChain([filter('a', 'none')], KINDS, []), /no kind for none/);
  for (const [typeUrl, kind] of FILTER_KINDS) assert.equal(kind.typeUrl, typeUrl);
});
