/** The fault table: reasons are unique, every code is used, statuses and flags are ones that exist. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS } from '../../engine/fault/faults.js';
import { ENGINE } from './sources.js';

const TABLE = 'engine/fault/faults.ts';

/** Two codes, one reason: which side was idle decides the status. */
const SHARED = ['stream_idle_timeout'];

test('reasons are unique', () => {
  const reasons = FAULTS.map((fault) => fault.reason).filter((reason) => !SHARED.includes(reason));
  assert.deepEqual(
    reasons.filter((reason, at) => reasons.indexOf(reason) !== at),
    [],
  );
  for (const reason of reasons) assert.match(reason, /^[a-z0-9_]*$/);
});

test('every fault is used', () => {
  const table = ENGINE.find(({ path }) => path === TABLE)?.text ?? '';
  const others = ENGINE.filter(({ path }) => path !== TABLE).map(({ text }) => text);
  const names = [...table.matchAll(/^export const ([A-Z_0-9]+) =/gm)].map((match) => match[1] as string);
  assert.ok(names.length > 40);
  const unused = names.filter((name) => {
    if (name === 'FAULTS') return false;
    const use = new RegExp(`\\b${name}\\b(?![^;]*from ')`);
    return !others.some((text) => use.test(text));
  });
  assert.deepEqual(unused, []);
});

test('statuses are of HTTP, flags of Envoy, codes are positions', () => {
  // envoy: access log, %RESPONSE_FLAGS%.
  const flags = 'UH UF UO NR URX NC DT DC DPE UC UT SI UPE UR LH LR RL DI FI UAEX RLSE IH NFCF OM DF DO UMSDR DR'.split(
    ' ',
  );
  FAULTS.forEach((fault, at) => {
    assert.equal(fault.code, at);
    assert.ok(fault.status === 0 || (fault.status >= 400 && fault.status <= 599), fault.reason);
    for (const flag of fault.flag === '' ? [] : fault.flag.split(',')) assert.ok(flags.includes(flag), flag);
  });
});
