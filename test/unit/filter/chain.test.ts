/** FilterChain: order of hooks, configs of routes and weighted clusters, filters that one switches off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterChain } from '../../../engine/filter/chain.js';
import { FILTER_KINDS } from '../../../engine/filter/filter-kinds.js';
import { DONE, type FilterContext, type FilterKind, NEXT, type Verdict } from '../../../engine/filter/filter.js';
import type { FilterRun } from '../../../engine/filter/filter-run.js';
import type { RouteRecord } from '../../../engine/plan/records.js';
import { FakeFiltered } from '../../support/fake-filtered.js';
import { prefix } from '../../support/routes.js';

const seen: string[] = [];
const both: FilterKind<unknown> = {
  typeUrl: 'both',
  build: (record, mark) => `${record}/${mark}`,
  onRequestHead(_x: FilterContext, config: unknown): Verdict {
    seen.push(`> ${config}`);
    return config === 'stop/2' ? DONE : NEXT;
  },
  onResponseHead(_x: FilterContext, config: unknown): Verdict {
    seen.push(`< ${config}`);
    return NEXT;
  },
};
const response: FilterKind<unknown> = {
  typeUrl: 'response',
  build: (record, mark) => `${record}/${mark}`,
  onResponseHead: (_x, config) => {
    seen.push(`< ${config}`);
    return NEXT;
  },
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

function run(chain: FilterChain, scope: object | null): string[] {
  seen.length = 0;
  const x = new FakeFiltered();
  x.filterScope = scope;
  x.run = chain.take() as FilterRun;
  x.run.begin(x.asFiltered());
  x.run.requestHead(true);
  x.run.responseHead(true);
  x.run.end();
  return [...seen];
}

test('requests visit the filters in order, responses in reverse; each has a bit of its own', () => {
  const chain = new FilterChain([filter('a'), filter('stop'), filter('c', 'response')], KINDS, []);
  const wanted = ['> a/1', '> stop/2', '< c/4', '< stop/2', '< a/1'];
  assert.deepEqual(run(chain, null), wanted);
  assert.deepEqual(run(chain, route({})), wanted);
});

test('a route, or a weighted cluster of it, has a config of its own, or none of the filter', () => {
  const own = route({ a: 'other', x: 'nobody' });
  const off = route({ a: null, b: null });
  const cluster = { typedPerFilterConfig: { b: 'cluster' } };
  const chain = new FilterChain([filter('a'), filter('b')], KINDS, [own, off, route({}), cluster]);
  assert.deepEqual(run(chain, own), ['> other/1', '> b/2', '< b/2', '< other/1']);
  assert.deepEqual(run(chain, off), []);
  assert.deepEqual(run(chain, cluster), ['> a/1', '> cluster/2', '< cluster/2', '< a/1']);
  // Runs are pooled: nothing of the one before is left.
  assert.deepEqual(run(chain, null), ['> a/1', '> b/2', '< b/2', '< a/1']);
});

test('without filters there is nothing to run', () => {
  assert.equal(new FilterChain([], KINDS, []).take(), null);
});

test('a kind that is not there is an error of ours', () => {
  assert.throws(() => new FilterChain([filter('a', 'none')], KINDS, []), /no kind for none/);
  for (const [typeUrl, kind] of FILTER_KINDS) assert.equal(kind.typeUrl, typeUrl);
});
