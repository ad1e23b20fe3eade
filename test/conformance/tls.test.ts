/** The transport's laws once more with TLS on every connection, and those of TLS itself. */
import { after, test } from 'node:test';
import { chooseTransport } from '../../engine/io/choose-transport.js';
import { makeFixture, tlsLaws } from './tls.suite.js';
import { openTls } from './tls-world.js';
import { transportLaws } from './transport.suite.js';

const fixture = makeFixture();
const { authority, leaf, stranger } = fixture;
after(() => {
  authority.close();
  stranger.close();
});

const native = chooseTransport('auto');
if (native.addon === null) test(`TLS of the native transport: not here (${native.reason})`, { skip: true }, () => {});
// Without tickets: libuv tells a reset behind unread bytes as an end.
else {
  const server = { sessionTickets: false, sessionCache: false };
  tlsLaws('native', fixture);
  transportLaws('native over TLS', () => openTls('native', { authority, leaf, server }));
}
