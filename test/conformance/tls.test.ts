/** The transport's laws once more with TLS on every connection, and those of TLS itself. */
import { after, test } from 'node:test';
import { chooseTransport } from '../../engine/io/choose-transport.js';
import { TLS_1_2, TLS_1_3 } from '../../engine/io/tls.js';
import { makeFixture, tlsLaws } from './tls.suite.js';
import { openTls } from './tls-world.js';
import { transportLaws } from './transport.suite.js';

const fixture = makeFixture();
const { authority, leaf, stranger } = fixture;
after(() => {
  authority.close();
  stranger.close();
});

const PREFACE = 'a preface leaves before everything that was written';
const IN_FRONT = 'it is in front of TLS: see the law of TLS';

const native = chooseTransport('auto');
if (native.addon === null) test(`TLS of the native transport: not here (${native.reason})`, { skip: true }, () => {});
// Without tickets: libuv tells a reset behind unread bytes as an end.
else {
  const server = { sessionTickets: false, sessionCache: false };
  tlsLaws('native', fixture);
  transportLaws('native over TLS', () => openTls('native', { authority, leaf, server }), { [PREFACE]: IN_FRONT });
}

const NOT_ASKED = 'node:tls asks nobody before the handshake is done';
tlsLaws('node', fixture, {
  'facts of both roles': 'node:tls does not tell a server its group',
  "a client's certificate is accepted: expired, allowed":
    'refused by newTlsContext(): node:tls tells one error of several',
  'resumption: TLS 1.3 from the cache': 'node:tls has no cache of its own for servers',
  'resumption: TLS 1.2 from the cache': 'the same',
  'no resumption where neither tickets nor a cache are wanted': 'the tickets that it sends all the same open nothing',
  'T3: a FIN without close_notify is told apart': 'node:tls does not tell',
  'revocation lists for the leaf alone': 'refused by newTlsContext()',
  [`T2: who is asked in the midst of the handshake refuses by an alert: ${TLS_1_2}`]: NOT_ASKED,
  [`T2: who is asked in the midst of the handshake refuses by an alert: ${TLS_1_3}`]: NOT_ASKED,
  'who is asked in the midst of the handshake accepts': NOT_ASKED,
  'ciphers, ciphersuites and groups': 'a server does not hear its group',
  'what OpenSSL does not take is an error': 'it is, in the words of node:tls',
  'ticket keys: shared between contexts, rotated, forgotten': 'node:tls has room for one key',
});
const ABORT = '3, 4: abort resets the peer; its fault is told once, afterwards';
const NO_RESET = 'a TLSSocket can be closed, not reset';
transportLaws(
  'node over TLS',
  // Those who are dialled would send tickets of TLS 1.3 right behind the handshake, and a reset behind them.
  () => {
    const server = { sessionTickets: false, sessionCache: false };
    return openTls('node', { authority, leaf, server, client: { maxVersion: TLS_1_2 } });
  },
  { [`${ABORT} (accepted)`]: NO_RESET, [`${ABORT} (dialled)`]: NO_RESET, [PREFACE]: IN_FRONT },
);
