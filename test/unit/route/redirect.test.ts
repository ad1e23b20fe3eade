/** Redirects: what of the request's address is kept, and require_tls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../engine/base/prng.js';
import type { ExchangeView } from '../../../engine/format/exchange-view.js';
import type { RedirectRecord, VirtualHostRecord } from '../../../engine/plan/records.js';
import { Router } from '../../../engine/route/router.js';
import { newHead } from '../../support/fake-conn.js';
import { host, prefix, redirect, requestHead, requestView, table } from '../../support/routes.js';

function location(
  changes: Partial<RedirectRecord>,
  target = '/a/b?q=1',
  hostName = 'h.example',
  view: Partial<ExchangeView> = {},
): string {
  const routes = [prefix('/a', {}, redirect(changes))];
  const router = new Router(table([host({ routes })]), Prng.fromSeed(1));
  const x = requestView(requestHead(target, hostName), view);
  const head = newHead();
  router.route(x)?.addLocation(x, head);
  return head.joinedString('location') as string;
}

test('scheme, host and port', () => {
  assert.equal(location({}), 'http://h.example/a/b?q=1');
  assert.equal(location({ httpsRedirect: true }), 'https://h.example/a/b?q=1');
  assert.equal(location({ schemeRedirect: 'ftp' }), 'ftp://h.example/a/b?q=1');
  assert.equal(location({ hostRedirect: 'n.example' }), 'http://n.example/a/b?q=1');
  assert.equal(location({ portRedirect: 8443 }, '/a', 'h.example:80'), 'http://h.example:8443/a');
  assert.equal(location({ hostRedirect: 'n', portRedirect: 1 }, '/a', 'h.example:80'), 'http://n:1/a');
});

test('the default port of the scheme that is left goes, any other stays', () => {
  const https = { httpsRedirect: true };
  assert.equal(location(https, '/a', 'h.example:80'), 'https://h.example/a');
  assert.equal(location(https, '/a', 'h.example:443'), 'https://h.example:443/a');
  assert.equal(location(https, '/a', 'h.example:8080'), 'https://h.example:8080/a');
  assert.equal(location(https, '/a', '[::1]:80'), 'https://[::1]/a');
  assert.equal(location(https, '/a', '[::1]'), 'https://[::1]/a');
  const wasTls = { scheme: 'https' } as const;
  assert.equal(location({ schemeRedirect: 'http' }, '/a', 'h.example:443', wasTls), 'http://h.example/a');
  assert.equal(location(https, '/a', 'h.example:443', wasTls), 'https://h.example:443/a');
});

test('paths and queries', () => {
  assert.equal(location({ pathRedirect: '/n' }), 'http://h.example/n?q=1');
  assert.equal(location({ pathRedirect: '/n', stripQuery: true }), 'http://h.example/n');
  assert.equal(location({ pathRedirect: '/n?own=1', stripQuery: true }), 'http://h.example/n?own=1');
  assert.equal(location({ prefixRewrite: '/z' }), 'http://h.example/z/b?q=1');
  assert.equal(location({ prefixRewrite: '/z', stripQuery: true }), 'http://h.example/z/b');
  const regexRewrite = { pattern: '/(.)/(.)', substitution: '/\\2/\\1' };
  assert.equal(location({ regexRewrite }), 'http://h.example/b/a?q=1');
  assert.equal(location({ stripQuery: true }), 'http://h.example/a/b');
});

test('require_tls', () => {
  const routes = [prefix('/')];
  const found = (requireTls: VirtualHostRecord['requireTls'], view: Partial<ExchangeView>): string => {
    const router = new Router(table([host({ routes, requireTls })]), Prng.fromSeed(1));
    const x = requestView(requestHead('/p?q', 'h:80'), view);
    const answer = router.route(x);
    if (answer?.record.action.kind !== 'redirect') return 'served';
    const head = newHead();
    answer.addLocation(x, head);
    return `${answer.record.action.status} ${head.joinedString('location')}`;
  };
  assert.equal(found('ALL', { scheme: 'http' }), '301 https://h/p?q');
  assert.equal(found('ALL', { scheme: 'http', isInternal: true }), '301 https://h/p?q');
  assert.equal(found('ALL', { scheme: 'https' }), 'served');
  assert.equal(found('EXTERNAL_ONLY', { scheme: 'http', isInternal: true }), 'served');
  assert.equal(found('EXTERNAL_ONLY', { scheme: 'http' }), '301 https://h/p?q');
  assert.equal(found('NONE', { scheme: 'http' }), 'served');
});
