/** Subsets: which endpoints criteria lead to, by Envoy's rules for selectors and fallbacks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalJson,
  type SubsetSelectorRecord,
  type SubsetsRecord,
} from '../../../../engine/plan/subsets-record.js';
import { Subsets } from '../../../../engine/upstream/balance/subsets.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

const PLAIN: SubsetsRecord = {
  selectors: [],
  fallback: 'NO_FALLBACK',
  defaultSubset: {},
  isLocalityWeightAware: false,
  scalesLocalityWeight: false,
  panicModeAny: false,
  listAsAny: false,
  allowsRedundantKeys: false,
  usesFallbackList: false,
  criteria: [],
};
function by(keys: string, more: Partial<SubsetSelectorRecord> = {}): SubsetSelectorRecord {
  return { keys: keys.split(' ').sort(), isSingleHost: false, fallback: 'NOT_DEFINED', fallbackKeys: [], ...more };
}
type Fields = Readonly<Record<string, unknown>>;
const values = (fields: Fields): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, canonicalJson(value)]));
function subsetsOf(record: Partial<SubsetsRecord>, endpoints: readonly Fields[]): Subsets {
  const records = endpoints.map((fields, row) => endpointRecord(row, { metadata: { 'envoy.lb': fields } }));
  return new Subsets({ ...PLAIN, ...record }, records);
}
/** "kind members", one per step. */
const lead = (subsets: Subsets, wanted: Fields, alternatives: readonly Fields[] | null = null): string[] =>
  subsets.steps(values(wanted), alternatives?.map(values) ?? null).map(({ kind, members }) => `${kind} ${members}`);

// The example of Envoy's documentation.
const FLEET: Fields[] = [
  { stage: 'prod', version: '1.0', type: 'std', xlarge: true },
  { stage: 'prod', version: '1.0', type: 'std' },
  { stage: 'prod', version: '1.1', type: 'std' },
  { stage: 'prod', version: '1.1', type: 'std' },
  { stage: 'prod', version: '1.0', type: 'bigmem' },
  { stage: 'prod', version: '1.1', type: 'bigmem' },
  { stage: 'dev', version: '1.2-pre', type: 'std' },
];
const DOCUMENTED = {
  fallback: 'DEFAULT_SUBSET',
  defaultSubset: values({ stage: 'prod', version: '1.0', type: 'std' }),
  selectors: [by('stage type'), by('stage version'), by('version'), by('xlarge version')],
} as const;

test("Envoy's documented fleet", () => {
  const subsets = subsetsOf(DOCUMENTED, FLEET);
  assert.equal([...subsets.keys].length, 3 + 3 + 3 + 1);
  assert.deepEqual(lead(subsets, { stage: 'prod', version: '1.0' }), ['SELECTED 0,1,4']);
  assert.deepEqual(lead(subsets, { version: '1.1' }), ['SELECTED 2,3,5']);
  assert.deepEqual(lead(subsets, { xlarge: true, version: '1.0' }), ['SELECTED 0']);
  assert.deepEqual(lead(subsets, { stage: 'dev', type: 'std' }), ['SELECTED 6']);
  // Keys that no selector has, values that no endpoint has, a value of another type, nothing at all: the default.
  for (const wanted of [{ other: 'x' }, { stage: 'prod' }, { version: '1.2' }, { xlarge: 'true', version: '1.0' }, {}])
    assert.deepEqual(lead(subsets, wanted), ['FALLBACK 0,1'], JSON.stringify(wanted));
});

test('fallbacks of all: nobody, anybody, the default subset, and anybody when that has nobody', () => {
  const selectors = [by('v')];
  const fleet = [{ v: '1' }, { v: '2' }];
  assert.deepEqual(lead(subsetsOf({ selectors }, fleet), { v: '3' }), []);
  assert.deepEqual(lead(subsetsOf({ selectors, fallback: 'ANY_ENDPOINT' }, fleet), { v: '3' }), ['FALLBACK 0,1']);
  const defaults = { selectors, fallback: 'DEFAULT_SUBSET', defaultSubset: values({ v: '9' }) } as const;
  assert.deepEqual(lead(subsetsOf(defaults, fleet), { v: '3' }), ['FALLBACK ']);
  assert.deepEqual(lead(subsetsOf({ ...defaults, panicModeAny: true }, fleet), {}), ['FALLBACK ', 'PANIC 0,1']);
  assert.deepEqual(lead(subsetsOf({ ...defaults, defaultSubset: {} }, fleet), {}), ['FALLBACK 0,1']);
});

test("a selector's own fallback comes before, for criteria with its keys alone", () => {
  const selectors = [
    by('a', { fallback: 'NO_FALLBACK' }),
    by('b', { fallback: 'ANY_ENDPOINT' }),
    by('c', { fallback: 'DEFAULT_SUBSET' }),
    by('a b c', { fallback: 'KEYS_SUBSET', fallbackKeys: ['a', 'b'] }),
    by('a b', { fallback: 'KEYS_SUBSET', fallbackKeys: ['a'] }),
  ];
  const fleet = [
    { a: 1, b: 1, c: 1 },
    { a: 1, b: 2, c: 2 },
  ];
  const subsets = subsetsOf({ selectors, fallback: 'ANY_ENDPOINT', defaultSubset: values({ c: 2 }) }, fleet);
  assert.deepEqual(lead(subsets, { a: 9 }), []);
  assert.deepEqual(lead(subsets, { b: 9 }), ['SELECTOR_FALLBACK 0,1']);
  assert.deepEqual(lead(subsets, { c: 9 }), ['SELECTOR_FALLBACK 1']);
  assert.deepEqual(lead(subsets, { a: 1, b: 2, c: 9 }), ['SELECTED 1']);
  assert.deepEqual(lead(subsets, { a: 1, b: 9, c: 9 }), ['SELECTED 0,1'], 'twice reduced');
  assert.deepEqual(lead(subsets, { a: 9, b: 9, c: 9 }), [], 'down to a, whose fallback is nobody');
  assert.deepEqual(lead(subsets, { a: 1, c: 1 }), ['FALLBACK 0,1'], 'no selector has these keys');
});

test('lists count by their elements where they are to', () => {
  const fleet = [{ v: ['1', '2'], w: 'x' }, { v: '1', w: ['x', 'y'] }, { v: [] }];
  const selectors = [by('v'), by('v w')];
  const listAsAny = subsetsOf({ selectors, listAsAny: true }, fleet);
  assert.deepEqual(lead(listAsAny, { v: '1' }), ['SELECTED 0,1']);
  assert.deepEqual(lead(listAsAny, { v: '1', w: 'x' }), ['SELECTED 0,1']);
  assert.deepEqual(lead(listAsAny, { v: '2', w: 'y' }), []);
  const whole = subsetsOf({ selectors }, fleet);
  assert.deepEqual(lead(whole, { v: '2' }), []);
  assert.deepEqual(lead(whole, { v: ['1', '2'] }), ['SELECTED 0']);
  const defaults = { selectors, fallback: 'DEFAULT_SUBSET', defaultSubset: values({ w: 'y' }) } as const;
  assert.deepEqual(lead(subsetsOf({ ...defaults, listAsAny: true }, fleet), {}), ['FALLBACK 1']);
  assert.deepEqual(lead(subsetsOf(defaults, fleet), {}), ['FALLBACK ']);
});

test('of a subset of one the first endpoint is it, and the others are counted', () => {
  const subsets = subsetsOf({ selectors: [by('id', { isSingleHost: true })] }, [
    { id: 1 },
    { id: 2 },
    { id: 1 },
    { id: 1 },
  ]);
  assert.deepEqual(lead(subsets, { id: 1 }), ['SELECTED 0']);
  assert.equal(subsets.duplicates, 2);
});

test('redundant keys are refused, or left out for the selector that uses the most', () => {
  const selectors = [by('v'), by('stage v')];
  const fleet = [
    { v: 1, stage: 'prod' },
    { v: 1, stage: 'dev' },
  ];
  const wanted = { v: 1, stage: 'prod', more: 'x' };
  assert.deepEqual(lead(subsetsOf({ selectors }, fleet), wanted), []);
  const loose = subsetsOf({ selectors, allowsRedundantKeys: true }, fleet);
  assert.deepEqual(lead(loose, wanted), ['SELECTED 0']);
  assert.deepEqual(lead(loose, { v: 1, more: 'x' }), ['SELECTED 0,1']);
});

test('fallback_list: each entry over what the route asks for, in turn; a key like any other where it is not used', () => {
  const selectors = [by('hardware version')];
  const fleet = [
    { version: '1.0', hardware: 'c32' },
    { version: '2.0', hardware: 'c64' },
    { version: '3.0', hardware: 'c32' },
  ];
  const route = { version: '1.0', hardware: 'c32', fallback_list: [] };
  const list = [{ version: '2.0', hardware: 'c64' }, { hardware: 'c32' }, { version: '3.0' }, { version: '4.0' }];
  const used = subsetsOf({ selectors, usesFallbackList: true }, fleet);
  assert.deepEqual(lead(used, route, list), ['SELECTED 1', 'SELECTED 0', 'SELECTED 2']);
  assert.deepEqual(lead(used, { version: '3.0', hardware: 'c32' }), ['SELECTED 2']);
  assert.deepEqual(lead(used, route, []), ['SELECTED 0']);
  assert.deepEqual(lead(subsetsOf({ selectors }, fleet), route, list), []);
});

test('selected are exactly those endpoints that have the values', () => {
  const value = fc.constantFrom('x', 'y', 1, true, null);
  const fields = fc.dictionary(fc.constantFrom('a', 'b', 'c'), value, { maxKeys: 3 });
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 12 }), fields, (fleet, wanted) => {
      const selectors = [by('a'), by('a b'), by('b c'), by('a b c')];
      const subsets = subsetsOf({ selectors, fallback: 'ANY_ENDPOINT' }, fleet);
      const keys = Object.keys(wanted).sort();
      const isSelector = selectors.some((each) => each.keys.join() === keys.join());
      const holders = fleet.flatMap((each, index) =>
        keys.every((key) => Object.hasOwn(each, key) && each[key] === wanted[key]) ? [index] : [],
      );
      const expected = isSelector && holders.length > 0 ? `SELECTED ${holders}` : `FALLBACK ${[...fleet.keys()]}`;
      assert.deepEqual(lead(subsets, wanted), [expected]);
    }),
  );
});
