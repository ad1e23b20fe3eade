/** TlsContexts: kept over plans by what they are made of, closed when no plan has them, with the ticket keys that are due. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlsContext, TlsContextOptions } from '../../../engine/io/tls.js';
import type { Transport } from '../../../engine/io/transport.js';
import { type TlsContextRecord, TlsContexts } from '../../../engine/tls/contexts.js';

class Made implements TlsContext {
  keys = '';
  isClosed = false;
  setTicketKeys(keys: Uint8Array): void {
    this.keys = Buffer.from(keys).toString();
  }
  close(): void {
    this.isClosed = true;
  }
}

function world(): { contexts: TlsContexts; made: Made[] } {
  const made: Made[] = [];
  const newTlsContext = (options: TlsContextOptions): TlsContext => {
    if (options.alpn[0] === 'bad') throw new Error('OpenSSL says no');
    const context = new Made();
    made.push(context);
    return context;
  };
  return { contexts: new TlsContexts({ newTlsContext } as unknown as Transport), made };
}

const record = (key: string, changes: Partial<TlsContextOptions> = {}, ticketKeys = ''): TlsContextRecord => ({
  key,
  options: { role: 'server', sessionTickets: true, alpn: [], ...changes } as unknown as TlsContextOptions,
  ticketKeys: ticketKeys === '' ? null : Buffer.from(ticketKeys),
});

test('the same key is the same context over plans; what no plan has is closed', () => {
  const { contexts, made } = world();
  const first = contexts.draft();
  const a = first.get(record('a'));
  assert.equal(first.get(record('a')), a);
  first.get(record('b'));
  first.commit();
  const second = contexts.draft();
  assert.equal(second.get(record('a')), a);
  second.get(record('c'));
  second.commit();
  assert.deepEqual(
    made.map(({ isClosed }) => isClosed),
    [false, true, false],
  );
});

test('a plan that is given up closes what was made for it, and nothing else', () => {
  const { contexts, made } = world();
  const first = contexts.draft();
  first.get(record('a'));
  first.commit();
  const second = contexts.draft();
  second.get(record('a'));
  second.get(record('b'));
  assert.throws(() => second.get(record('x', { alpn: ['bad'] })), /OpenSSL says no/);
  second.discard();
  assert.deepEqual(
    made.map(({ isClosed }) => isClosed),
    [false, true],
  );
});

test('ticket keys: shared ones reach every server that has none of its own, also those that come later', () => {
  const { contexts, made } = world();
  contexts.setTicketKeys(Buffer.from('one'));
  const draft = contexts.draft();
  draft.get(record('shared'));
  draft.get(record('own', {}, 'mine'));
  draft.get(record('off', { sessionTickets: false }));
  draft.get(record('client', { role: 'client' }));
  // Rotated while the plan is built.
  contexts.setTicketKeys(Buffer.from('two'));
  draft.commit();
  assert.deepEqual(
    made.map(({ keys }) => keys),
    ['two', 'mine', '', ''],
  );
  contexts.setTicketKeys(Buffer.from('three'));
  assert.deepEqual(
    made.map(({ keys }) => keys),
    ['three', 'mine', '', ''],
  );
});
