/** http_filters and typed_per_filter_config: the records of sessions, which message of a route holds, and mistakes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpRecord } from '../../../engine/plan/records.js';
import { briefly, compiled, managerOf, yaml } from '../../support/config-problems.js';

const TYPE = 'type.googleapis.com/envoy.extensions';
const FILTER = `${TYPE}.filters.http.stateful_session.v3.StatefulSession`;
const HCM = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';
const ROUTER = `{ name: r, typed_config: { "@type": ${TYPE}.filters.http.router.v3.Router } }`;
const OFF = '{ "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true }';

const cookie = (fields: string): string =>
  `session_state: { name: x, typed_config: { "@type": ${TYPE}.http.stateful_session.cookie.v3.CookieBasedSessionState, cookie: { ${fields} } } }`;
const header = (name: string): string =>
  `session_state: { typed_config: { "@type": ${TYPE}.http.stateful_session.header.v3.HeaderBasedSessionState, name: "${name}" } }`;
const session = (fields: string, name = 's'): string =>
  `{ name: ${name}, typed_config: { "@type": ${FILTER}, ${fields} } }`;
const perRoute = (fields: string): string =>
  `typed_per_filter_config: { s: { "@type": ${FILTER}PerRoute, ${fields} } }`;

interface Where {
  readonly table?: string;
  readonly host?: string;
  readonly route?: string;
}
function config(filters: string, where: Where = {}): string {
  const routes = `[ { match: { prefix: "/" }, route: { cluster: c }${where.route === undefined ? '' : `, ${where.route}`} } ]`;
  const text = yaml(where.host === undefined ? { routes } : { routes, host: where.host });
  return text
    .replace(/http_filters: .*/, `http_filters: [ ${filters} ]`)
    .replace('route_config: {', `route_config: { ${where.table === undefined ? '' : `${where.table},`}`);
}
const http = (filters: string, where: Where = {}): HttpRecord => managerOf(compiled(config(filters, where)));

test('sessions by cookie and by header, with the defaults', () => {
  const record = (fields: string): unknown => http(`${session(fields)}, ${ROUTER}`).filters;
  const wanted = (strict: boolean, state: object): unknown => [
    { name: 's', typeUrl: FILTER.replace('type.googleapis.com/', ''), config: { strict, state } },
  ];
  const plain = { kind: 'cookie', name: 'a', maxAgeSeconds: 0, path: '', attributes: [] };
  assert.deepEqual(record(cookie('name: a')), wanted(false, plain));
  assert.deepEqual(
    record(`strict: true, ${cookie('name: a, ttl: 90s, path: /x, attributes: [ { name: Secure } ]')}`),
    wanted(true, { ...plain, maxAgeSeconds: 90, path: '/x', attributes: [{ name: 'Secure', value: '' }] }),
  );
  assert.deepEqual(record(header('X-Home')), wanted(false, { kind: 'header', name: 'x-home' }));
  assert.deepEqual(http(ROUTER).filters, []);
});

test('the most specific of route, virtual host and table holds', () => {
  const held = (where: Where): unknown =>
    http(`${session(header('a'))}, ${ROUTER}`, where).routeConfig.virtualHosts[0]?.routes[0]?.typedPerFilterConfig;
  const other = (name: string): string => perRoute(`stateful_session: { ${header(name)} }`);
  const found = (name: string): unknown => ({ s: { strict: false, state: { kind: 'header', name } } });
  assert.deepEqual(held({}), {});
  assert.deepEqual(held({ table: other('t') }), found('t'));
  assert.deepEqual(held({ table: other('t'), host: other('h') }), found('h'));
  assert.deepEqual(held({ host: perRoute('disabled: true'), route: other('r') }), found('r'));
  assert.deepEqual(held({ host: other('h'), route: perRoute('disabled: true') }), { s: null });
  assert.deepEqual(held({ route: `typed_per_filter_config: { s: ${OFF} }` }), { s: null });
});

test('mistakes are said at their place', () => {
  const router = 'the router filter is missing: add envoy.filters.http.router as the last one';
  const terminal = 'the router filter is terminal: it comes once, as the last one';
  const ROUTE = `${HCM}.route_config.virtual_hosts[0].routes[0]`;
  const cases: [string, string, Where?][] = [
    [session(header('a')), `error ${HCM}.http_filters: ${router}`],
    [`${ROUTER}, ${session(header('a'))}`, `error ${HCM}.http_filters: ${terminal}`],
    [`${ROUTER}, ${ROUTER}`, `error ${HCM}.http_filters: ${terminal}`],
    [`{ name: a }, ${ROUTER}`, `error ${HCM}.http_filters[0].typed_config: is required: filter a has none`],
    [
      `${session(header('a'))}, ${session(header('b'))}, ${ROUTER}`,
      `error ${HCM}.http_filters[1]: there is another filter "s"`,
    ],
    [
      `${session(header('a'))}, ${session(header('b'), 't')}, ${ROUTER}`,
      `error ${HCM}.http_filters[1]: there is another StatefulSession; one is all there can be`,
    ],
    [
      `${session(header('a b'))}, ${ROUTER}`,
      `error ${HCM}.http_filters[0].typed_config.session_state.typed_config.name: "a b" is not a header name`,
    ],
    [
      `${session(cookie('name: a, path: "/;"'))}, ${ROUTER}`,
      `error ${HCM}.http_filters[0].typed_config.session_state.typed_config.cookie.path: must be printable ASCII without ";"`,
    ],
    [
      `${session('strict: true')}, ${ROUTER}`,
      `error ${HCM}.http_filters[0].typed_config: session_state is required in StatefulSession`,
    ],
    [
      ROUTER,
      `warning ${ROUTE}.typed_per_filter_config: has no effect: there is no filter "s" in http_filters`,
      { route: `typed_per_filter_config: { s: ${OFF} }` },
    ],
    [
      `${session(header('a'))}, ${ROUTER}`,
      `error ${ROUTE}.typed_per_filter_config["s"].disabled: only true is supported here: leave it out instead`,
      { route: perRoute('disabled: false') },
    ],
  ];
  for (const [filters, wanted, where] of cases) assert.deepEqual(briefly(config(filters, where)), [wanted], filters);
});

test('a filter whose type is not supported has a typed_config all the same', () => {
  const csrf =
    '{ name: a, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.csrf.v3.CsrfPolicy } }';
  const problems = briefly(config(`${csrf}, ${ROUTER}`));
  assert.equal(problems.length, 1, problems.join('\n'));
  assert.match(problems[0] as string, /CsrfPolicy is known to Envoy but not supported here yet/);
});
