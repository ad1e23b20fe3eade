/** Session persistence end to end: a client stays with the one of three real origins that answered it first. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';

const TYPE = 'type.googleapis.com/envoy.extensions';
const SESSION = 'envoy.filters.http.stateful_session';
let origins: http.Server[] = [];
let proxy: ProxyProcess | null = null;

/** Says by its port who answers, and which path it got. */
async function origin(): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    response.setHeader('x-path', request.url ?? '');
    response.end(String((server.address() as AddressInfo).port));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
const ports = (): number[] => origins.map((server) => (server.address() as AddressInfo).port);

function close(server: http.Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

before(async () => {
  origins = await Promise.all([origin(), origin(), origin()]);
});
afterEach(async () => {
  await proxy?.stop();
  proxy = null;
});
after(() => Promise.all(origins.map(close)));

function session(kind: 'cookie' | 'header', state: object, strict = false): Record<string, unknown> {
  const name = kind === 'cookie' ? 'CookieBasedSessionState' : 'HeaderBasedSessionState';
  const typed = { '@type': `${TYPE}.http.stateful_session.${kind}.v3.${name}`, ...state };
  const type = `${TYPE}.filters.http.stateful_session.v3.StatefulSession`;
  return {
    '@type': type,
    session_state: { name: `envoy.http.stateful_session.${kind}`, typed_config: typed },
    strict,
  };
}
const COOKIE = { cookie: { name: 'home', ttl: '60s', path: '/', attributes: [{ name: 'SameSite', value: 'Lax' }] } };

function config(
  typed: Record<string, unknown>,
  endpoints: readonly number[],
  routes?: readonly unknown[],
): (port: number, adminPort: number) => string {
  const filters = [
    { name: SESSION, typed_config: typed },
    { name: 'router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } },
  ];
  const options = { origins: endpoints, manager: { http_filters: filters } };
  return bootstrap(routes === undefined ? options : { ...options, routes });
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** Each on a connection of its own, so that both workers get some. */
function ask(headers: Record<string, string> = {}, path = '/'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: proxy?.port, path, headers, agent: false };
    http
      .get(options, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
      })
      .on('error', reject);
  });
}

/** The value of the cookie that an answer gives. */
function given(answer: Answer): string {
  const found = /^home="([^"]+)"; Max-Age=60; Path=\/; SameSite=Lax; HttpOnly$/.exec(
    (answer.headers['set-cookie'] ?? []).join(),
  );
  assert.ok(found, JSON.stringify(answer.headers));
  return found[1] as string;
}

async function reload(text: (port: number, adminPort: number) => string): Promise<void> {
  const running = proxy as ProxyProcess;
  const before = await running.stat('server.config_reload_success');
  running.writeConfig(text(running.port, running.adminPort));
  running.child.kill('SIGHUP');
  await running.until(async () => (await running.stat('server.config_reload_success')) > before);
}

test('a cookie leads back to the origin that gave it, over workers and a reload; without it all of them serve', async () => {
  proxy = await ProxyProcess.start(config(session('cookie', COOKIE), ports()));
  const clients = new Map<string, string>();
  for (let i = 0; i < 12; i++) {
    const first = await ask();
    clients.set(given(first), first.body);
  }
  assert.deepEqual([...new Set(clients.values())].sort(), ports().map(String).sort());
  const stays = async (): Promise<void> => {
    for (const [cookie, body] of clients)
      for (let i = 0; i < 4; i++) {
        const again = await ask({ cookie: `a=b; home=${cookie}` });
        assert.equal(again.body, body);
        assert.equal(again.headers['set-cookie'], undefined);
      }
  };
  await stays();
  await reload(config(session('cookie', COOKIE), [...ports()].reverse()));
  await stays();
});

test('an endpoint that was removed: another one serves and gives its own cookie', async () => {
  proxy = await ProxyProcess.start(config(session('cookie', COOKIE), ports()));
  const first = await ask();
  const left = ports().filter((port) => String(port) !== first.body);
  await reload(config(session('cookie', COOKIE), left));
  const second = await ask({ cookie: `home=${given(first)}` });
  assert.ok(left.includes(Number(second.body)));
  const cookie = given(second);
  for (let i = 0; i < 6; i++) assert.equal((await ask({ cookie: `home=${cookie}` })).body, second.body);
});

test('an endpoint that refuses connections: another one serves and gives its own cookie', async () => {
  const dead = await origin();
  const port = (dead.address() as AddressInfo).port;
  await close(dead);
  proxy = await ProxyProcess.start(config(session('cookie', COOKIE), [port, ...ports()]));
  const value = Buffer.from(`127.0.0.1:${port}`).toString('base64');
  const answer = await ask({ cookie: `home=${value}` });
  assert.equal(answer.status, 200);
  const cookie = given(answer);
  assert.equal((await ask({ cookie: `home=${cookie}` })).body, answer.body);
});

test('strict: no other endpoint serves while the one of the session is gone or refuses', async () => {
  const dead = await origin();
  const refusing = (dead.address() as AddressInfo).port;
  await close(dead);
  proxy = await ProxyProcess.start(config(session('cookie', COOKIE, true), [...ports(), refusing]));
  const named = (port: number): Record<string, string> => ({
    cookie: `home=${Buffer.from(`127.0.0.1:${port}`).toString('base64')}`,
  });
  const [first] = ports() as [number];
  assert.equal((await ask(named(first))).body, String(first));
  for (const port of [refusing, 1]) {
    const refused = await ask(named(port));
    assert.equal(refused.status, 503);
    assert.equal(refused.headers['set-cookie'], undefined);
  }
  assert.equal((await ask()).status, 200);
  // What is no address at all binds nobody.
  assert.equal((await ask({ cookie: 'home=%%%' })).status, 200);
});

test('a header: set in the response when the request did not name that endpoint', async () => {
  proxy = await ProxyProcess.start(config(session('header', { name: 'X-Home' }), ports()));
  const first = await ask();
  const home = first.headers['x-home'] as string;
  assert.equal(Buffer.from(home, 'base64').toString(), `127.0.0.1:${first.body}`);
  for (let i = 0; i < 6; i++) {
    const again = await ask({ 'x-home': home });
    assert.equal(again.body, first.body);
    assert.equal(again.headers['x-home'], undefined);
  }
});

test('routes: off by either message, another session, and a path that is rewritten', async () => {
  const perRoute = `${TYPE}.filters.http.stateful_session.v3.StatefulSessionPerRoute`;
  const { '@type': _, ...byHeaderOnly } = session('header', { name: 'x-home' });
  const route = (prefix: string, more: object, action: object = {}): unknown => ({
    match: { prefix },
    route: { cluster: 'origin', ...action },
    ...more,
  });
  const routes = [
    route('/off', { typed_per_filter_config: { [SESSION]: { '@type': perRoute, disabled: true } } }),
    route('/none', {
      typed_per_filter_config: {
        [SESSION]: { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true },
      },
    }),
    route('/header', {
      typed_per_filter_config: {
        [SESSION]: { '@type': perRoute, stateful_session: byHeaderOnly },
      },
    }),
    route('/app/', {}, { prefix_rewrite: '/' }),
    route('/', {}),
  ];
  const cookie = session('cookie', { cookie: { name: 'home', path: '/app' } });
  proxy = await ProxyProcess.start(config(cookie, ports(), routes));
  for (const path of ['/off', '/none', '/', '/application']) {
    const { headers } = await ask({}, path);
    assert.equal(headers['set-cookie'], undefined, path);
    assert.equal(headers['x-home'], undefined, path);
  }
  const byHeader = await ask({}, '/header');
  assert.equal(byHeader.headers['set-cookie'], undefined);
  assert.equal(Buffer.from(byHeader.headers['x-home'] as string, 'base64').toString(), `127.0.0.1:${byHeader.body}`);
  const app = await ask({}, '/app/a');
  assert.equal(app.headers['x-path'], '/a');
  const found = /^home="([^"]+)"; Path=\/app; HttpOnly$/.exec((app.headers['set-cookie'] ?? []).join());
  assert.ok(found);
  const value = { cookie: `home="${found[1]}"` };
  for (let i = 0; i < 4; i++) assert.equal((await ask(value, '/app/b')).body, app.body);
  const off = new Set<string>();
  for (let i = 0; i < 12; i++) off.add((await ask(value, '/off')).body);
  assert.equal(off.size, 3);
});
