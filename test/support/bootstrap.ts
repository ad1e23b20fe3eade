/** Bootstrap texts for end-to-end tests, written as JSON (which is YAML). */
const TYPE = 'type.googleapis.com/envoy.extensions.filters';

export interface BootstrapOptions {
  /** Endpoints of cluster "origin" on 127.0.0.1. */
  readonly origins: readonly number[];
  /** Routes of the one virtual host; default: everything to "origin". */
  readonly routes?: readonly unknown[];
  /** More fields of the connection manager. */
  readonly manager?: Readonly<Record<string, unknown>>;
  /** More fields of the listener. */
  readonly listener?: Readonly<Record<string, unknown>>;
  /** More fields of cluster "origin". */
  readonly cluster?: Readonly<Record<string, unknown>>;
}

export function bootstrap(options: BootstrapOptions): (port: number, adminPort: number) => string {
  return (port, adminPort) => {
    const address = (value: number): unknown => ({ socket_address: { address: '127.0.0.1', port_value: value } });
    const manager = {
      '@type': `${TYPE}.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'ingress',
      use_remote_address: true,
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: options.routes ?? [{ match: { prefix: '/' }, route: { cluster: 'origin' } }],
          },
        ],
      },
      http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.http.router.v3.Router` } }],
      ...options.manager,
    };
    const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }];
    const endpoints = options.origins.map((origin) => ({ endpoint: { address: address(origin) } }));
    return JSON.stringify(
      {
        admin: { address: address(adminPort) },
        static_resources: {
          listeners: [{ name: 'ingress', address: address(port), filter_chains: [{ filters }], ...options.listener }],
          clusters: [
            {
              name: 'origin',
              type: 'STATIC',
              connect_timeout: '1s',
              load_assignment: { cluster_name: 'origin', endpoints: [{ lb_endpoints: endpoints }] },
              ...options.cluster,
            },
          ],
        },
      },
      null,
      1,
    );
  };
}
