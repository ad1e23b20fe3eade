/** --ingress uws: limits that it can't keep are errors of the config, what has no effect a warning. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pieces, briefly, yaml } from '../../support/config-problems.js';

const LISTENER = 'static_resources.listeners[0]';
const HCM = `${LISTENER}.filter_chains[0].filters[0].typed_config`;
const COMMON = `${HCM}.common_http_protocol_options`;
const NO_CONNECTION = 'can not be kept with --ingress uws, which does not show the connection of a request';
const common = (text: string): Pieces => ({ manager: `common_http_protocol_options: { ${text} }` });

test('limits of connections are errors with uWebSockets.js alone', () => {
  const cases: [Pieces, string[]][] = [
    [{}, []],
    [common('max_connection_duration: 60s'), [`error ${COMMON}.max_connection_duration: ${NO_CONNECTION}`]],
    [
      common('max_requests_per_connection: 5'),
      [`error ${COMMON}.max_requests_per_connection: ${NO_CONNECTION}; only 1 can`],
    ],
    [common('max_requests_per_connection: 1'), []],
    [
      common('idle_timeout: 5s'),
      [`error ${COMMON}.idle_timeout: with --ingress uws connections end after 12 s without a request`],
    ],
    [
      common('idle_timeout: 60s'),
      [`warning ${COMMON}.idle_timeout: with --ingress uws connections end after 12 s without a request`],
    ],
    [
      { manager: 'request_headers_timeout: 5s' },
      [`error ${HCM}.request_headers_timeout: with --ingress uws a head has 12 s, and no less can be asked for`],
    ],
    [{ manager: 'request_headers_timeout: 15s' }, []],
    [{ manager: 'codec_type: HTTP2' }, [`error ${HCM}.codec_type: --ingress uws speaks HTTP/1.1 alone`]],
    [{ manager: 'codec_type: AUTO' }, []],
    [
      { manager: 'http2_protocol_options: {}' },
      [`warning ${HCM}.http2_protocol_options: has no effect with --ingress uws, which speaks HTTP/1.1 alone`],
    ],
    [
      { manager: 'upgrade_configs: [ { upgrade_type: websocket } ]' },
      [
        `warning ${HCM}.upgrade_configs: with --ingress uws there are no tunnels: requests for an upgrade go on without it`,
      ],
    ],
    [{ listener: 'tcp_backlog_size: 128' }, [`warning ${LISTENER}.tcp_backlog_size: has no effect with --ingress uws`]],
    [{ manager: 'codec_type: HTTP2' }, [`error ${HCM}.codec_type: --ingress uws speaks HTTP/1.1 alone`]],
    [
      { manager: 'http2_protocol_options: {}' },
      [`warning ${HCM}.http2_protocol_options: has no effect with --ingress uws, which speaks HTTP/1.1 alone`],
    ],
    [{ routes: '[ { match: { prefix: "/" }, route: { cluster: c, idle_timeout: 5s } } ]' }, []],
  ];
  for (const [pieces, wanted] of cases) {
    assert.deepEqual(briefly(yaml(pieces), { ingress: 'uws' }), wanted, JSON.stringify(pieces));
    assert.deepEqual(briefly(yaml(pieces)), []);
  }
});

test('a listener has one chain, in clear text', () => {
  const text = yaml().replace(
    '    - filters:',
    '    - filter_chain_match: { server_names: [ a.example ] }\n      filters:',
  );
  assert.notEqual(text, yaml());
  const one = 'with --ingress uws a listener has one filter chain, for every connection';
  assert.deepEqual(
    briefly(text, { ingress: 'uws' }).filter((line) => line.includes('uws')),
    [`error ${LISTENER}.filter_chains[0].filter_chain_match: ${one}`],
  );
});
