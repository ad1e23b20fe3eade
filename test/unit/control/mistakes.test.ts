/** Mistakes in a config: every one in one run, at its place, with what is allowed, and none that only follows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { briefly, clusterWith, problemsOf, rendered, yaml } from '../../support/config-problems.js';

const HCM = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';
const ROUTES = `${HCM}.route_config.virtual_hosts[0].routes`;

test('the document that the pieces are put into is good', () => {
  assert.deepEqual(briefly(yaml()), []);
});

test('what the schema finds and what only the compiler sees come together', () => {
  const text = `static_resources:
  listeners:
  - name: ingress
    address: { socket_address: { address: 0.0.0.0, port: 8080 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          @type: type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          stream_idle_timeout: 5m
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                route: { cluster: orign }
          http_filters:
          - name: envoy.filters.http.router
  clusters:
  - name: origin
    type: EDS
`;
  assert.equal(
    rendered(text),
    `x.yaml:4:52: error: static_resources.listeners[0].address.socket_address.port: unknown field port in SocketAddress; did you mean port_value?
  4 |     address: { socket_address: { address: 0.0.0.0, port: 8080 } }
    |                                                    ^~~~
x.yaml:9:11: error: a key that begins with @ must be in quotes: "@type"
  9 |           @type: type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
    |           ^
x.yaml:11:32: error: ${HCM}.stream_idle_timeout: must be a duration such as "0.25s" or "15s" (write "300s"), not "5m"
  11 |           stream_idle_timeout: 5m
     |                                ^~
x.yaml:18:35: error: ${ROUTES}[0].route.cluster: there is no cluster "orign"; did you mean origin?
  18 |                 route: { cluster: orign }
     |                                   ^~~~~
x.yaml:23:11: error: static_resources.clusters[0].type: EDS is known to Envoy but not supported here yet; supported: STATIC, STRICT_DNS, LOGICAL_DNS
  23 |     type: EDS
     |           ^~~`,
  );
});

test('five mistakes in JSON are five problems', () => {
  const text = JSON.stringify(
    {
      static_resources: {
        listeners: [],
        clusters: [
          { name: 1, type: 'STATIK' },
          { name: 'b', connect_timeout: 5, lb_policy: 'ROUND' },
          { name: 'c', dns_lookup_familly: 'AUTO' },
        ],
      },
    },
    null,
    1,
  );
  assert.deepEqual(
    problemsOf(text).map(({ line, column, path }) => `${line}:${column} ${path}`),
    [
      '6:13 static_resources.clusters[0].name',
      '7:13 static_resources.clusters[0].type',
      '11:24 static_resources.clusters[1].connect_timeout',
      '12:18 static_resources.clusters[1].lb_policy',
      '16:5 static_resources.clusters[2].dns_lookup_familly',
    ],
  );
});

test('what follows from a mistake is not reported', () => {
  // No "typed_config is required", no "router is missing", no "not an IP address", no "cluster without endpoints".
  assert.deepEqual(briefly(yaml({ manager: 'http_filter: []' })).length, 1);
  assert.deepEqual(
    briefly(yaml().replace('"@type": type.googleapis.com/envoy.extensions.filters.network', '"@type": x')),
    [
      `error ${HCM}.@type: x.http_connection_manager.v3.HttpConnectionManager is not supported here; supported: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    ],
  );
  assert.deepEqual(
    briefly(yaml().replace('address: 127.0.0.1, port_value: 8000', 'adress: 127.0.0.1, port_value: 8000')),
    [
      'error static_resources.listeners[0].address.socket_address.adress: unknown field adress in SocketAddress; did you mean address?',
    ],
  );
  assert.deepEqual(briefly(yaml({ cluster: 'load_assignment: 5' })), [
    'error static_resources.clusters[0].load_assignment: must be a ClusterLoadAssignment: a map of fields, not 5',
  ]);
  assert.deepEqual(briefly(yaml().replace('{ name: c,', '{ name: 5,')), [
    'error static_resources.clusters[0].name: must be a string: put it in quotes ("5"), not 5',
  ]);
  assert.deepEqual(
    briefly(yaml({ routes: '[ { match: { prefix: "/" }, route: { retry_policy: {} } } ]' })),
    [
      `error ${ROUTES}[0].route.retry_policy: retry_policy of RouteAction is known to Envoy but not supported here yet`,
      `error ${ROUTES}[0].route: one of cluster, cluster_header, weighted_clusters is required in RouteAction`,
    ].reverse(),
  );
});

/** A piece that is wrong, and the one thing that is said of it. */
const ONE: readonly (readonly [string, string, string])[] = [
  // name, text, "severity path: message"
  [
    'unknown field',
    yaml({ cluster: clusterWith('conect_timeout: 1s') }),
    'error static_resources.clusters[0].conect_timeout: unknown field conect_timeout in Cluster; did you mean connect_timeout?',
  ],
  [
    'camelCase of an unknown field',
    yaml({ cluster: clusterWith('conectTimeout: 1s') }),
    'error static_resources.clusters[0].conectTimeout: unknown field conectTimeout in Cluster; did you mean connect_timeout?',
  ],
  [
    'a field of Envoy',
    yaml({ cluster: clusterWith('health_checks: []') }),
    'error static_resources.clusters[0].health_checks: health_checks of Cluster is known to Envoy but not supported here yet',
  ],
  [
    'the same in camelCase',
    yaml({ cluster: clusterWith('outlierDetection: {}') }),
    'error static_resources.clusters[0].outlier_detection: outlier_detection of Cluster is known to Envoy but not supported here yet',
  ],
  [
    'a cluster that is not supported',
    yaml({ cluster: clusterWith('upstream_http_protocol_options: {}') }),
    'error static_resources.clusters[0].upstream_http_protocol_options: upstream_http_protocol_options of Cluster is known to Envoy but not supported here yet',
  ],
  [
    'a field twice in two spellings',
    yaml({ cluster: clusterWith('connect_timeout: 1s, connectTimeout: 1s') }),
    'error static_resources.clusters[0].connect_timeout: connect_timeout is there twice',
  ],
  [
    'an enum number that is not supported',
    yaml({ cluster: clusterWith('lb_policy: 6') }),
    'error static_resources.clusters[0].lb_policy: CLUSTER_PROVIDED is known to Envoy but not supported here yet; supported: ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, LOAD_BALANCING_POLICY_CONFIG',
  ],
  [
    'two of a oneof',
    yaml({ routes: '[ { match: { prefix: "/", path: "/a" }, route: { cluster: c } } ]' }),
    `error ${ROUTES}[0].match: only one of prefix, path can be set`,
  ],
  [
    'none of a oneof',
    yaml({ routes: '[ { match: {}, route: { cluster: c } } ]' }),
    `error ${ROUTES}[0].match: one of prefix, path, safe_regex, path_separated_prefix, connect_matcher is required in RouteMatch`,
  ],
  [
    'a list where a map belongs',
    yaml({ manager: 'common_http_protocol_options: [ 1 ]' }),
    `error ${HCM}.common_http_protocol_options: must be a HttpProtocolOptions: a map of fields, not a list`,
  ],
  [
    'an empty entry of a list',
    yaml({ manager: 'upgrade_configs: [ null ]' }),
    `error ${HCM}.upgrade_configs[0]: an entry must not be empty`,
  ],
  [
    '@type where none belongs',
    yaml({ cluster: clusterWith('circuit_breakers: { "@type": x }') }),
    'error static_resources.clusters[0].circuit_breakers.@type: unknown field @type in CircuitBreakers; known fields: thresholds',
  ],
  [
    'no @type',
    yaml({ manager: 'access_log: [ { typed_config: { path: /x } } ]' }),
    `error ${HCM}.access_log[0].typed_config: "@type" is required here; supported: type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog`,
  ],
  [
    'a slip in a type',
    yaml().replace('router.v3.Router', 'router.v3.Routr'),
    `error ${HCM}.http_filters[0].typed_config.@type: there is no type envoy.extensions.filters.http.router.v3.Routr: did you mean envoy.extensions.filters.http.router.v3.Router?`,
  ],
  [
    'a filter of Envoy',
    yaml().replace('http.router.v3.Router', 'http.lua.v3.Lua'),
    `error ${HCM}.http_filters[0].typed_config.@type: envoy.extensions.filters.http.lua.v3.Lua is known to Envoy but not supported here yet; supported: envoy.extensions.filters.http.router.v3.Router, envoy.extensions.filters.http.buffer.v3.Buffer, envoy.extensions.filters.http.cors.v3.Cors, envoy.extensions.filters.http.grpc_http1_bridge.v3.Config, envoy.extensions.filters.http.grpc_stats.v3.FilterConfig, envoy.extensions.filters.http.grpc_web.v3.GrpcWeb, envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, envoy.extensions.filters.http.stateful_session.v3.StatefulSession`,
  ],
  [
    'a setting that only has its default',
    yaml({ manager: 'proxy_100_continue: false' }),
    `error ${HCM}.proxy_100_continue: only true is supported here: 100-continue is always passed through (RFC 9110 §10.1.1)`,
  ],
  [
    'a line break in a header value',
    yaml({ manager: 'server_name: "a\\r\\nb"' }),
    `error ${HCM}.server_name: must be text without line breaks and control characters, not "a\\r\\nb"`,
  ],
  [
    'require_tls',
    yaml({ host: 'require_tls: SOME' }),
    `error ${HCM}.route_config.virtual_hosts[0].require_tls: must be one of NONE, EXTERNAL_ONLY, ALL (did you mean NONE?), not "SOME"`,
  ],
  [
    'a query parameter that must not be there',
    yaml({
      routes:
        '[ { match: { prefix: "/", query_parameters: [ { name: a, present_match: false } ] }, route: { cluster: c } } ]',
    }),
    `error ${ROUTES}[0].match.query_parameters[0].present_match: only true is supported here: a parameter that is not there can not be asked for`,
  ],
  [
    'an expression that is larger than it says',
    yaml({
      routes:
        '[ { match: { safe_regex: { regex: "/[a-z]{50}", google_re2: { max_program_size: 20 } } }, route: { cluster: c } } ]',
    }),
    `error ${ROUTES}[0].match.safe_regex.regex: its program has 53 steps, max_program_size is 20`,
  ],
  [
    'a domain twice',
    yaml({ host: 'name: w, domains: ["*"]' })
      .replace('{ name: v, domains: ["*"],', '{ name: u, domains: ["a", "A"] }, {')
      .replace(', name: w, domains: ["*"]', ', name: w, domains: ["b"]'),
    `error ${HCM}.route_config.virtual_hosts[0].domains[1]: "a" is taken by virtual host u already: a domain belongs to one`,
  ],
  [
    'a wildcard in the middle',
    yaml().replace('domains: ["*"]', 'domains: ["a.*.com"]'),
    `error ${HCM}.route_config.virtual_hosts[0].domains[0]: "a.*.com": a wildcard is the first or the last character, once`,
  ],
  [
    'not RE2',
    yaml({ routes: '[ { match: { safe_regex: { regex: "(?=a)" } }, route: { cluster: c } } ]' }),
    'not an RE2 expression',
  ],
  [
    'a group that is not there',
    yaml({
      routes:
        '[ { match: { prefix: "/" }, route: { cluster: c, regex_rewrite: { pattern: { regex: "^/(a)" }, substitution: "/\\\\2" } } } ]',
    }),
    `error ${ROUTES}[0].route.regex_rewrite.substitution: "/\\\\2": there is no group 2: the expression has 1`,
  ],
  [
    'prefix_rewrite without a prefix',
    yaml({ routes: '[ { match: { safe_regex: { regex: "/a" } }, redirect: { prefix_rewrite: "/" } } ]' }),
    `error ${ROUTES}[0].redirect.prefix_rewrite: a route with safe_regex has no prefix: use regex_rewrite`,
  ],
  [
    'weights of nothing',
    yaml({
      routes: '[ { match: { prefix: "/" }, route: { weighted_clusters: { clusters: [ { name: c, weight: 0 } ] } } } ]',
    }),
    `error ${ROUTES}[0].route.weighted_clusters.clusters: the weights must not all be 0`,
  ],
  [
    'host as a header to add',
    yaml({ host: 'request_headers_to_add: [ { header: { key: Host, value: x } } ]' }),
    `error ${HCM}.route_config.virtual_hosts[0].request_headers_to_add[0].header.key: host can't be changed here; use host_rewrite_literal or a path rewrite`,
  ],
  [
    'an operator that is none',
    yaml({ host: 'request_headers_to_add: [ { header: { key: a, value: "%NOPE%" } } ]' }),
    `error ${HCM}.route_config.virtual_hosts[0].request_headers_to_add[0].header.value: unknown operator %NOPE%; a literal % is written %%`,
  ],
  [
    'append in both spellings',
    yaml({
      host: 'request_headers_to_add: [ { header: { key: a, value: x }, append: true, append_action: ADD_IF_ABSENT } ]',
    }),
    `error ${HCM}.route_config.virtual_hosts[0].request_headers_to_add[0].append: append_action says it already: only one of the two`,
  ],
  [
    'a name in a STATIC cluster',
    yaml({
      cluster:
        'load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: localhost, port_value: 1 } } } } ] } ] }',
    }),
    'error static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "localhost" is not an IP address; a name needs a cluster of type STRICT_DNS or LOGICAL_DNS',
  ],
  [
    'a name for a listener',
    yaml().replace('address: 127.0.0.1, port_value: 8000', 'address: localhost, port_value: 8000'),
    'error static_resources.listeners[0].address.socket_address.address: "localhost" is not an IP address; a listener has one',
  ],
  [
    'port 0 of an endpoint',
    yaml().replace('port_value: 9001', 'port_value: 0'),
    'error static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: nothing can be connected to on port 0',
  ],
  [
    'a path too long for a socket',
    yaml({ admin: `{ address: { pipe: { path: /${'x'.repeat(107)} } } }` }),
    'error admin.address.pipe.path: 108 bytes; the path of a unix socket has at most 107',
  ],
  [
    'protocol options under another key',
    yaml({
      cluster: clusterWith(
        'typed_extension_protocol_options: { http: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http_protocol_options: {} } } }',
      ),
    }),
    'error static_resources.clusters[0].typed_extension_protocol_options: "http" is not supported here; the key is envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  ],
  [
    'two clusters of a name',
    yaml({ clusters: ['{ name: c, load_assignment: { endpoints: [] } }'] }),
    'there is another cluster "c"',
  ],
  [
    'LOGICAL_DNS with two endpoints',
    yaml({
      cluster:
        'type: LOGICAL_DNS, load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: a.example, port_value: 1 } } } }, { endpoint: { address: { socket_address: { address: b.example, port_value: 1 } } } } ] } ] }',
    }),
    'error static_resources.clusters[0].load_assignment: LOGICAL_DNS has exactly one endpoint, not 2',
  ],
  [
    'the admin log somewhere',
    yaml({ admin: '{ access_log_path: /tmp/a.log, address: { pipe: { path: /tmp/a } } }' }),
    'error admin.access_log_path: only "/dev/null" is supported here: requests to admin are not logged',
  ],
  [
    'an alias of nothing',
    yaml({ cluster: clusterWith('connect_timeout: *nope') }),
    'error there is no anchor &nope before this alias; text that begins with * is put in quotes: "*nope"',
  ],
  [
    'an unquoted wildcard',
    yaml().replace('"*"', '*.example.com'),
    'error there is no anchor &.example.com before this alias; text that begins with * is put in quotes: "*.example.com"',
  ],
  ['an unquoted star', yaml().replace('"*"', '*'), 'error a value that begins with * must be in quotes: "*"'],
  [
    'an unquoted operator',
    yaml({ manager: 'via: %REQ(X)%' }),
    'error a value that begins with % must be in quotes: "%REQ(:METHOD)%"',
  ],
];

for (const [name, text, expected] of ONE)
  test(`one problem: ${name}`, () => {
    const found = briefly(text).filter((line) => line.startsWith('error'));
    assert.equal(found.length, 1, found.join('\n'));
    assert.ok((found[0] as string).includes(expected), `${found[0]}\n${expected}`);
  });

/** Legal, but surely not what was meant; or an old spelling. */
const WARNINGS: readonly (readonly [string, string, string])[] = [
  [
    'a lower-case value',
    yaml({ cluster: clusterWith('lb_policy: round_robin') }),
    'warning static_resources.clusters[0].lb_policy: values are named in capitals: write ROUND_ROBIN',
  ],
  [
    'one where a list belongs',
    yaml().replace('domains: ["*"]', 'domains: "*"'),
    `warning ${HCM}.route_config.virtual_hosts[0].domains: a list belongs here; read as a list of one. Write it with a leading "- "`,
  ],
  [
    'hosts',
    yaml({ cluster: 'hosts: [ { socket_address: { address: 127.0.0.1, port_value: 1 } } ]' }),
    'warning static_resources.clusters[0].hosts: "hosts" is v2\'s spelling; in v3: load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: ... } } ] } ] }',
  ],
  [
    'config, wherever the name stands',
    yaml().replace(/http_filters: .*/, 'http_filters: [ { config: {}, name: envoy.router } ]'),
    `warning ${HCM}.http_filters[0].config: "config" is v2's spelling; in v3: typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, ... }`,
  ],
  [
    'a type of v2',
    yaml().replace(
      'envoy.extensions.filters.network.http_connection_manager.v3',
      'envoy.config.filter.network.http_connection_manager.v2',
    ),
    `warning ${HCM}.@type: v2's type; in v3: type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
  ],
  ['yes', yaml({ manager: 'use_remote_address: yes' }), `warning ${HCM}.use_remote_address: write true instead of yes`],
  [
    'a regular expression as a domain',
    yaml().replace('domains: ["*"]', 'domains: [".*"]'),
    `warning ${HCM}.route_config.virtual_hosts[0].domains[0]: ".*" is taken literally: domains are no regular expressions; "*" matches every host`,
  ],
  [
    'a URL as a domain',
    yaml().replace('domains: ["*"]', 'domains: ["http://a"]'),
    `warning ${HCM}.route_config.virtual_hosts[0].domains[0]: "http://a" matches nothing: a domain has no scheme and no path`,
  ],
  [
    'a prefix without /',
    yaml({ routes: '[ { match: { prefix: api }, route: { cluster: c } } ]' }),
    `warning ${ROUTES}[0].match.prefix: "api" matches nothing: paths begin with /`,
  ],
  [
    'a path with a query',
    yaml({ routes: '[ { match: { path: "/a?b" }, route: { cluster: c } } ]' }),
    `warning ${ROUTES}[0].match.path: "/a?b" matches nothing: it is the path without the query`,
  ],
  [
    'a shadowed route',
    yaml({
      routes:
        '[ { match: { prefix: "/" }, route: { cluster: c } }, { match: { path: "/a" }, redirect: { host_redirect: b } } ]',
    }),
    `warning ${ROUTES}[1].match: is never reached: route 0 (prefix "/") comes first and takes it`,
  ],
  [
    'a cluster nobody uses',
    yaml({
      clusters: [
        '{ name: d, load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { pipe: { path: /x } } } } ] } ] } }',
      ],
    }),
    'warning static_resources.clusters[1].name: no route uses cluster "d"',
  ],
  [
    'a cluster without endpoints',
    yaml({ cluster: 'type: STATIC' }),
    'warning static_resources.clusters[0].load_assignment: has no endpoints: every request is answered with 503',
  ],
  [
    'a timeout in the wrong unit',
    yaml({ routes: '[ { match: { prefix: "/" }, route: { cluster: c, timeout: 100000s } } ]' }),
    `warning ${ROUTES}[0].route.timeout: is more than a day; "0s" is no timeout, and 15000 ms are "15s"`,
  ],
  [
    'a timeout that never comes',
    yaml({
      routes:
        '[ { match: { prefix: "/" }, route: { cluster: c, timeout: 20s, max_stream_duration: { max_stream_duration: 10s } } } ]',
    }),
    `warning ${ROUTES}[0].route.timeout: never comes: max_stream_duration ends the request before it`,
  ],
  [
    'a config for no filter',
    yaml({
      host: 'typed_per_filter_config: { envoy.filters.http.lua: { "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true } }',
    }),
    `warning ${HCM}.route_config.virtual_hosts[0].typed_per_filter_config: has no effect: there is no filter "envoy.filters.http.lua" in http_filters`,
  ],
  [
    'two policies',
    yaml({
      cluster: clusterWith(
        'lb_policy: RANDOM, load_balancing_policy: { policies: [ { typed_extension_config: { name: r, typed_config: { "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin } } } ] }',
      ),
    }),
    'warning static_resources.clusters[0].lb_policy: has no effect: load_balancing_policy comes before it',
  ],
  [
    'the config of another policy',
    yaml({ cluster: clusterWith('least_request_lb_config: { choice_count: 3 }') }),
    'warning static_resources.clusters[0].least_request_lb_config: has no effect: lb_policy is not LEAST_REQUEST',
  ],
  [
    'an endpoint twice',
    yaml({ cluster: 'hosts: []', clusters: [] }).replace(
      'hosts: []',
      'load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { pipe: { path: /x } } } }, { endpoint: { address: { pipe: { path: /x } } } } ] } ] }',
    ),
    'warning static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[1].endpoint.address: unix:/x is in this cluster twice; its weights are added',
  ],
  [
    'a YAML tag',
    yaml({ cluster: clusterWith('connect_timeout: !sec 1s') }),
    'warning the YAML tag !sec means nothing here and is left out',
  ],
  ['no listener', 'node: { id: a }', 'warning there are no listeners: nothing is served'],
];

for (const [name, text, expected] of WARNINGS)
  test(`one warning: ${name}`, () => {
    assert.deepEqual(briefly(text), [expected.replace('warning there', 'warning static_resources: there')]);
  });

test('unknown fields are warnings when that is allowed; what Envoy has and we do not stays an error', () => {
  const text = yaml({ cluster: clusterWith('frobnicate: 1') });
  assert.equal(problemsOf(text)[0]?.severity, 'error');
  assert.deepEqual(
    problemsOf(text, { allowsUnknownFields: true }).map(({ severity }) => severity),
    ['warning'],
  );
  const known = yaml({ cluster: clusterWith('health_checks: []') });
  assert.equal(problemsOf(known, { allowsUnknownFields: true })[0]?.severity, 'error');
});

test('of very many problems a hundred are shown', () => {
  const clusters = Array.from({ length: 500 }, (_, i) => `{ name: d${i}, typ: x }`);
  const found = problemsOf(yaml({ clusters }));
  assert.equal(found.length, 101);
  assert.match(found[100]?.message ?? '', /^and \d+ more problems, not shown$/);
});

test('fields that say where a message ends are not for a config', () => {
  assert.deepEqual(
    briefly(
      yaml({
        host: 'request_headers_to_remove: [ Content-Length ], response_headers_to_add: [ { header: { key: Transfer-Encoding, value: chunked } } ]',
      }),
    ).map((line) => line.replace(/^.*virtual_hosts\[0\]\./, '')),
    [
      "request_headers_to_remove[0]: content-length says where a message ends: a config can't change it",
      "response_headers_to_add[0].header.key: transfer-encoding says where a message ends: a config can't change it",
    ],
  );
});

test('a range of addresses without its length is warned of', () => {
  const range = (text: string): string[] =>
    briefly(yaml({ manager: `internal_address_config: { cidr_ranges: [ { ${text} } ] }` }));
  assert.deepEqual(range('address_prefix: 10.0.0.1'), [
    `warning ${HCM}.internal_address_config.cidr_ranges[0]: without prefix_len it is every IPv4 address; prefix_len: 32 is this one alone`,
  ]);
  assert.deepEqual(range('address_prefix: "::", prefix_len: 0'), []);
});
