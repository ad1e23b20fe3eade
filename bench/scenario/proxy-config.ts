/** ProxyConfig: a scenario's envoy.yaml as it is run: with free ports, one policy, and the endpoints that are members. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '../../engine/control/load.js';
import { packageRoot } from '../../engine/io/addon.js';
import type { Policy } from './policies.js';
import { type Scenario, ScenarioError } from './scenario.js';

/** The cluster that a policy is laid over. */
const CLUSTER = 'backends';

interface SocketAddress {
  address: { socket_address: { address: string; port_value: number } };
}
interface LbEndpoint {
  endpoint: SocketAddress;
  load_balancing_weight?: number;
}
interface Route {
  route?: Record<string, unknown>;
}
interface Bootstrap {
  admin?: SocketAddress;
  static_resources: {
    listeners: (SocketAddress & {
      filter_chains: {
        filters: { typed_config: { route_config: { virtual_hosts: { routes: Route[] }[] } } }[];
      }[];
    })[];
    clusters: ({ name: string; load_assignment: { endpoints: { lb_endpoints: LbEndpoint[] }[] } } & Record<
      string,
      unknown
    >)[];
  };
}

export interface Ports {
  readonly listener: number;
  readonly admin: number;
  /** By backend, in the order of the config. */
  readonly backends: readonly number[];
}

export class ProxyConfig {
  readonly #text: string;
  /** Of each backend, in the order of the config. */
  readonly weights: readonly number[];
  readonly #scenario: Scenario;

  /** Throws ScenarioError when envoy.yaml is refused or does not fit the scenario. */
  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    const path = join(scenario.directory, 'envoy.yaml');
    const name = path.replace(`${packageRoot()}/`, '');
    const loaded = loadConfig({ path, text: null, name, allowsUnknownFields: false, environment: {} });
    if ('problems' in loaded) throw new ScenarioError(loaded.problems);
    this.#text = readFileSync(path, 'utf8');
    const endpoints = endpointsOf(this.#parsed());
    this.weights = endpoints.map((endpoint) => endpoint.load_balancing_weight ?? 1);
    const count = scenario.groups.reduce((sum, group) => sum + group.count, 0);
    if (endpoints.length !== count)
      throw new ScenarioError([
        {
          severity: 'error',
          path: `static_resources.clusters["${CLUSTER}"]`,
          message: `has ${endpoints.length} endpoints, but the scenario has ${count} backends`,
          file: name,
          line: 0,
          column: 0,
          source: '',
        },
      ]);
  }

  #parsed(): Bootstrap {
    return parse(this.#text) as Bootstrap;
  }

  /** isMember: by backend. */
  text(policy: Policy, ports: Ports, isMember: readonly boolean[]): string {
    const bootstrap = this.#parsed();
    const { listeners, clusters } = bootstrap.static_resources;
    bootstrap.admin = { address: { socket_address: { address: '127.0.0.1', port_value: ports.admin } } };
    for (const listener of listeners) {
      listener.address.socket_address.port_value = ports.listener;
      for (const { filters } of listener.filter_chains)
        for (const host of filters[0]?.typed_config.route_config.virtual_hosts ?? [])
          for (const { route } of host.routes) if (route !== undefined) Object.assign(route, policy.route);
    }
    endpointsOf(bootstrap).forEach((endpoint, at) => {
      endpoint.endpoint.address.socket_address.port_value = ports.backends[at] as number;
    });
    for (const cluster of clusters) {
      if (cluster.name !== CLUSTER) continue;
      Object.assign(cluster, policy.cluster);
      let at = 0;
      for (const locality of cluster.load_assignment.endpoints)
        locality.lb_endpoints = locality.lb_endpoints.filter(() => isMember[at++]);
    }
    return JSON.stringify(bootstrap, null, 1);
  }

  /** Why this build can't run the policy; null = it can. */
  refusal(policy: Policy): string | null {
    const { load, workers } = this.#scenario;
    if (policy.isPerWorker && (workers === 1 || load.rate === null))
      return 'each worker as a process of its own needs several workers, and an open loop';
    const ports = { listener: 1, admin: 2, backends: this.weights.map((_, at) => 3 + at) };
    const text = this.text(
      policy,
      ports,
      this.weights.map(() => true),
    );
    const loaded = loadConfig({ path: null, text, name: policy.name, allowsUnknownFields: false, environment: {} });
    if (!('problems' in loaded)) return null;
    return loaded.problems.find(({ severity }) => severity === 'error')?.message ?? 'refused';
  }
}

function endpointsOf(bootstrap: Bootstrap): LbEndpoint[] {
  const cluster = bootstrap.static_resources.clusters.find(({ name }) => name === CLUSTER);
  return (cluster?.load_assignment.endpoints ?? []).flatMap((locality) => locality.lb_endpoints);
}
