/** Access logs: Envoy's default line, JSON lines, blocks by size, and what waits when a log is flushed or closed. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { ExchangeView } from '../../../engine/format/exchange-view.js';
import type { AccessLogFormat } from '../../../engine/plan/records.js';
import { AccessLog } from '../../../engine/proxy/access-log.js';
import { newHead } from '../../support/fake-conn.js';
import { requestHead, requestView } from '../../support/routes.js';

let directory: string;
let path: string;
let dropped: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  path = join(directory, 'access.log');
  dropped = 0;
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(format: Partial<AccessLogFormat>, file = path): AccessLog {
  const whole = { kind: 'text', text: '', omitEmptyValues: false, ...format } as AccessLogFormat;
  const onDropped = (lines: number): void => {
    dropped += lines;
  };
  return new AccessLog({ path: file, format: whole }, { onTrouble: () => {}, onDropped });
}

const view: ExchangeView = requestView(
  requestHead('/a?b', 'example.com', 'User-Agent: curl/8\r\nX-Forwarded-For: 10.0.0.1\r\nX-Request-Id: r1\r\n'),
  {
    response: newHead(),
    protocol: 'HTTP/1.1',
    responseStatus: 200,
    responseFlags: '',
    bytesReceived: 3,
    bytesSent: 12,
    startUs: 1000,
    endUs: 6000,
    startWallMs: Date.UTC(2026, 0, 31, 12, 0, 0, 7),
    upstreamAddress: { family: 4, host: '10.0.0.2', port: 80 },
  },
);

test("an empty format is Envoy's default line", async () => {
  const log = open({});
  log.log(view);
  await log.flush();
  log.close();
  assert.equal(
    readFileSync(path, 'utf8'),
    '[2026-01-31T12:00:00.007Z] "GET /a?b HTTP/1.1" 200 - 3 12 5 - "10.0.0.1" "curl/8" "r1" "example.com" "10.0.0.2:80"\n',
  );
});

test('a text format has the line breaks that it says; JSON has one per request', async () => {
  const text = open({ kind: 'text', text: '%RESPONSE_CODE%,%REQ(NONE)%;', omitEmptyValues: true });
  for (let i = 0; i < 3; i++) text.log(view);
  await text.flush();
  text.close();
  assert.equal(readFileSync(path, 'utf8'), '200,;200,;200,;');
  const other = join(directory, 'json.log');
  const json = open({ kind: 'json', json: { code: '%RESPONSE_CODE%' } }, other);
  for (let i = 0; i < 3; i++) json.log(view);
  await json.flush();
  json.close();
  assert.equal(readFileSync(other, 'utf8'), '{"code":200}\n'.repeat(3));
});

test('lines are written without a flush, after a while', async () => {
  const log = open({});
  log.log(view);
  while (readFileSync(path, 'utf8') === '') await new Promise((resolve) => setTimeout(resolve, 20));
  log.log(view);
  const one = readFileSync(path, 'utf8').length;
  while (readFileSync(path, 'utf8').length < 2 * one) await new Promise((resolve) => setTimeout(resolve, 20));
  log.close();
});

test('many lines fill blocks, and none is lost or out of order', async () => {
  const log = open({ kind: 'text', text: '%BYTES_SENT%\n' });
  const count = 40000;
  for (let i = 0; i < count; i++) log.log({ ...view, bytesSent: i } as ExchangeView);
  await log.flush();
  log.close();
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1).map(Number);
  assert.equal(lines.length, count);
  assert.ok(lines.every((value, at) => value === at));
  assert.equal(dropped, 0);
});

test('reopen() divides the lines: those before are in the old file', async () => {
  const log = open({ kind: 'text', text: '%BYTES_SENT%\n' });
  log.log({ ...view, bytesSent: 1 } as ExchangeView);
  renameSync(path, `${path}.1`);
  log.reopen();
  log.log({ ...view, bytesSent: 2 } as ExchangeView);
  await log.flush();
  log.close();
  assert.equal(readFileSync(path, 'utf8'), '2\n');
  assert.equal(readFileSync(`${path}.1`, 'utf8'), '1\n');
});

test('a closed log writes what an exchange that outlives its plan still logs', async () => {
  const log = open({ kind: 'text', text: '%BYTES_SENT%\n' });
  log.close();
  log.log(view);
  await log.flush();
  assert.equal(readFileSync(path, 'utf8'), '12\n');
});

test('each line that a full disk loses is told of', { skip: !existsSync('/dev/full') }, async () => {
  const log = open({}, '/dev/full');
  for (let i = 0; i < 5; i++) log.log(view);
  await log.flush();
  log.close();
  assert.equal(dropped, 5);
});

test('a format that is wrong, or a file that is not there, is an error at once', () => {
  assert.throws(() => open({ kind: 'text', text: '%NONSENSE%' }), /access log format: unknown operator/);
  assert.throws(() => open({ kind: 'json', json: ['%NONSENSE%'] }), /unknown operator/);
  assert.throws(() => open({}, join(directory, 'none', 'a.log')), /ENOENT/);
});
