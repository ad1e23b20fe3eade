/** gRPC in heads: content types, statuses, messages, timeouts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addGrpcMessage,
  grpcStatusOfHttp,
  isGrpc,
  readGrpcStatus,
  readGrpcTimeoutMs,
  setGrpcTimeout,
} from '../../../engine/http/grpc.js';
import { newHead } from '../../support/fake-conn.js';
import { requestHead } from '../../support/routes.js';

const head = (field: string) => requestHead('/a.B/C', 'a', `${field}\r\n`);

test('gRPC is application/grpc and its codings, nothing else', () => {
  const is = (type: string): boolean => isGrpc(head(`Content-Type: ${type}`));
  for (const type of ['application/grpc', 'application/grpc+proto', 'Application/GRPC+json']) assert.ok(is(type), type);
  for (const type of ['application/grpc-web', 'application/grp', 'application/grpc;a=b', 'text/plain', ''])
    assert.ok(!is(type), type);
  assert.ok(!isGrpc(head('Accept: application/grpc')));
});

test('HTTP statuses map to those of gRPC as the gRPC project says', () => {
  const pairs = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14, 200: 2, 301: 2, 500: 2 };
  for (const [status, wanted] of Object.entries(pairs)) assert.equal(grpcStatusOfHttp(Number(status)), wanted, status);
});

test('grpc-status is a number or none', () => {
  const read = (value: string): number => readGrpcStatus(head(`grpc-status: ${value}`));
  assert.deepEqual(['0', '16', '42', '-1', 'a', ''].map(read), [0, 16, 42, -1, -1, -1]);
  assert.equal(readGrpcStatus(head('a: b')), -1);
});

test('grpc-message is percent-encoded, its line breaks included', () => {
  const message = (text: string): string | null => {
    const of = newHead();
    const bytes = Buffer.from(`<${text}>`);
    addGrpcMessage(of, bytes, 1, bytes.length - 1);
    return of.joinedString('grpc-message');
  };
  assert.equal(message('no healthy upstream'), 'no healthy upstream');
  assert.equal(message('100% ~\r\nü'), '100%25 ~%0D%0A%C3%BC');
  // A long one does not fit the store that a head has.
  assert.equal(message('\n'.repeat(3000)), '%0A'.repeat(3000));
});

test('grpc-timeout in every unit, rounded up; what is none is left alone', () => {
  const read = (value: string): number => readGrpcTimeoutMs(head(`grpc-timeout: ${value}`));
  assert.deepEqual(
    ['2H', '3M', '4S', '5m', '6u', '1001u', '1n', '0n', '99999999m'].map(read),
    [7200000, 180000, 4000, 5, 1, 2, 1, 0, 99999999],
  );
  for (const value of ['', '5', 'm', '123456789m', '-1S', '1.5S', '1 S', '1x', '1s'])
    assert.equal(read(value), -1, value);
  assert.equal(readGrpcTimeoutMs(head('a: b')), -1);
});

test('grpc-timeout is written in the finest unit that 8 digits can say', () => {
  const written = (ms: number): string | null => {
    const of = head('grpc-timeout: 1S');
    setGrpcTimeout(of, ms);
    return of.joinedString('grpc-timeout');
  };
  assert.deepEqual([1, 99999999, 100000000, 99999999999, 1e11, 6e12].map(written), [
    '1m',
    '99999999m',
    '100000S',
    '99999999S',
    '1666666M',
    '1666666H',
  ]);
});
