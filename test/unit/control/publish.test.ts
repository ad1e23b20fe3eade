/** Publishing: a plan is in force on every worker or on none; DNS changes it; what is refused leaves no trace. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { yaml } from '../../support/config-problems.js';
import { freePort } from '../../support/free-port.js';
import { RunningControl } from '../../support/running-control.js';

let control: RunningControl;
const others: net.Server[] = [];
afterEach(async () => {
  await control.stop();
  for (const server of others.splice(0)) server.close();
});

/** A listener that answers with its name. */
function listener(name: string, port: number, more = ''): string {
  return `{ name: ${name}, address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }${more}, filter_chains: [ { filters: [ { name: h, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, route_config: { virtual_hosts: [ { name: v, domains: ["*"], routes: [ { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "${name}" } } } ] } ] }, http_filters: [ { name: r, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } } ] } } ] } ] }`;
}
function listeners(...all: string[]): string {
  return `static_resources: { listeners: [ ${all.join(', ')} ] }`;
}
function named(host: string, more = ''): string {
  return yaml({
    cluster: `type: STRICT_DNS, dns_refresh_rate: 0.01s${more}, load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: ${host}, port_value: 80 } } } } ] } ] }`,
  }).replace('port_value: 8000', 'port_value: 0');
}

/** The answer's body, or why there is none. */
function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve(body));
    });
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
  });
}
async function taken(): Promise<number> {
  const server = net.createServer((socket) => socket.destroy());
  others.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('a reload opens and closes listeners; versions count up', async () => {
  const [a, b] = [await freePort(), await freePort()];
  control = await RunningControl.start(listeners(listener('one', a)), { count: 2 });
  assert.equal(await ask(a), 'one');
  assert.equal(await control.reload(listeners(listener('two', a), listener('three', b))), true);
  assert.deepEqual([await ask(a), await ask(b)], ['two', 'three']);
  assert.equal(await control.reload(listeners(listener('four', b))), true);
  assert.deepEqual([await ask(a), await ask(b)], ['ECONNREFUSED', 'four']);
  assert.equal(control.publisher.plan?.version, 3);
  assert.deepEqual(control.publisher.reloads, { success: 2, failure: 0 });
});

test('a document with mistakes, and an address that is taken, change nothing', async () => {
  const [a, b] = [await freePort(), await freePort()];
  control = await RunningControl.start(listeners(listener('one', a)));
  assert.equal(await control.reload('static_resources: { listeners: 5 }'), false);
  assert.match(control.log.at(-1) ?? '', /^error config: reload refused \(test\).*\n.*x\.yaml:1/);
  assert.equal(
    await control.reload(listeners(listener('two', a), listener('x', b), listener('y', await taken()))),
    false,
  );
  assert.match(control.log.at(-1) ?? '', /EADDRINUSE/);
  assert.deepEqual([await ask(a), await ask(b)], ['one', 'ECONNREFUSED']);
  assert.equal(control.publisher.reloads.failure, 2);
  assert.equal(await control.reload(listeners(listener('two', a))), true);
  assert.equal(await ask(a), 'two');
});

test('an address that only the workers find taken changes nothing either', async () => {
  const [a, b] = [await freePort(), await freePort()];
  control = await RunningControl.start(listeners(listener('one', a)), { count: 2 });
  const own = ', enable_reuse_port: true';
  assert.equal(
    await control.reload(listeners(listener('two', a), listener('x', b, own), listener('y', await taken(), own))),
    false,
  );
  assert.match(control.log.at(-1) ?? '', /reload refused.*\n.*EADDRINUSE/);
  assert.deepEqual([await ask(a), await ask(b)], ['one', 'ECONNREFUSED']);
  assert.equal(await control.reload(listeners(listener('two', a), listener('x', b, own))), true);
  assert.deepEqual([await ask(a), await ask(b)], ['two', 'x']);
});

test('the first plan has to succeed', async () => {
  const a = await freePort();
  control = await RunningControl.start(listeners(listener('one', a)));
  await assert.rejects(RunningControl.start(listeners(listener('two', a))), /EADDRINUSE/);
});

test('warnings are said at each reload, and not again when DNS has news', async () => {
  const text = named('a.test').replace('clusters:\n', 'clusters:\n  - { name: unused, connect_timeout: 1s }\n');
  control = await RunningControl.start(text, { names: { 'a.test': ['10.0.0.1'] } });
  assert.equal(await control.reload(text), true);
  const warnings = (): number => control.log.filter((line) => /no route uses cluster "unused"/.test(line)).length;
  assert.equal(warnings(), 1);
  control.names.set('a.test', ['10.0.0.2']);
  await control.until(() => control.endpoints('c').join() === '10.0.0.2:80');
  assert.equal(warnings(), 1);
});

test('news of DNS go into the plan; each look-up is counted for the cluster that wants it', async () => {
  control = await RunningControl.start(named('a.test'), { names: { 'a.test': ['10.0.0.1'] } });
  assert.deepEqual(control.endpoints('c'), ['10.0.0.1:80']);
  assert.equal(control.clusterCounter('c', 'membership_change'), 1);
  control.names.set('a.test', ['10.0.0.2', '10.0.0.1']);
  await control.until(() => control.endpoints('c').length === 2);
  assert.equal(control.clusterCounter('c', 'membership_change'), 2);
  assert.ok(control.clusterCounter('c', 'update_success') >= 2);
  assert.equal(control.clusterCounter('c', 'update_failure') + control.clusterCounter('c', 'update_empty'), 0);
  control.names.set('a.test', null);
  await control.until(() => control.clusterCounter('c', 'update_failure') >= 2);
  control.names.delete('a.test');
  await control.until(() => control.clusterCounter('c', 'update_empty') >= 2);
  assert.deepEqual(control.endpoints('c'), ['10.0.0.1:80', '10.0.0.2:80'], 'the last good answer stays');
  assert.equal(control.log.filter((line) => line.startsWith('warning dns: a.test')).length, 1, 'said once');
  const ended = (['update_success', 'update_failure', 'update_empty'] as const)
    .map((name) => control.clusterCounter('c', name))
    .reduce((sum, count) => sum + count);
  assert.ok(control.clusterCounter('c', 'update_attempt') - ended <= 1);
  assert.equal(control.clusterCounter('c', 'membership_change'), 2);
});

test('a refused reload leaves the names of the config in force under watch', async () => {
  control = await RunningControl.start(named('a.test'), { names: { 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.9'] } });
  const bad = named('b.test').replace('port_value: 0', `port_value: ${await taken()}`);
  assert.equal(await control.reload(bad), false);
  control.names.set('a.test', ['10.0.0.2']);
  await control.until(() => control.endpoints('c').join() === '10.0.0.2:80');
});

test('names that no plan has any more are not looked up', async () => {
  control = await RunningControl.start(named('a.test'), { names: { 'a.test': ['10.0.0.1'] } });
  assert.equal(await control.reload(named('10.0.0.3')), true);
  const before = control.lookups;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(control.lookups, before);
});

test('a refused reload leaves no log open', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-publish-'));
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const log = (file: string): string =>
    `access_log: [ { typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${join(directory, file)} } } ]`;
  control = await RunningControl.start(named('10.0.0.1'));
  const before = descriptors();
  const port = await taken();
  for (let i = 0; i < 10; i++) {
    const bad = named('10.0.0.1').replace('port_value: 0', `port_value: ${port}`);
    assert.equal(await control.reload(bad.replace('# manager', log(`${i}.log`))), false);
  }
  assert.equal(await control.reload(named('10.0.0.1')), true);
  await control.until(() => descriptors() <= before + 2);
  assert.equal(readdirSync(directory).length, 10, 'each was opened');
  rmSync(directory, { recursive: true });
});

test('a worker that dies is replaced, and the new one has the plan in force', async () => {
  const port = await freePort();
  control = await RunningControl.start(listeners(listener('one', port)));
  assert.equal(await control.reload(listeners(listener('two', port))), true);
  const [worker] = control.supervisor.workers;
  worker?.send({ kind: 'die' });
  await control.until(() => worker?.restarts === 1 && worker.isServing);
  assert.equal(await ask(port), 'two');
});
