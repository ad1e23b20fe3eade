/** What a config's text has wrong, as the command line prints it. */
import { managersOf } from '../../engine/plan/managers.js';
import type { Compiled } from '../../engine/control/compile.js';
import type { Resolved } from '../../engine/control/compile-clusters.js';
import { loadConfig, planOf } from '../../engine/control/load.js';
import { PlanRegistry } from '../../engine/control/registry.js';
import type { HttpRecord } from '../../engine/plan/records.js';
import { type Problem, renderProblems } from '../../engine/fault/problem.js';

export interface ReadOptions {
  readonly overlay?: string;
  readonly allowsUnknownFields?: boolean;
  readonly ingress?: 'uws';
  readonly transport?: 'node';
  readonly environment?: Readonly<Record<string, string>>;
}

export function problemsOf(text: string, options: ReadOptions = {}): readonly Problem[] {
  const { overlay, allowsUnknownFields = false, environment = {}, ingress, transport } = options;
  const loaded = loadConfig({
    path: null,
    text,
    name: 'x.yaml',
    allowsUnknownFields,
    environment,
    ...(ingress === undefined ? {} : { ingress }),
    ...(transport === undefined ? {} : { transport }),
    ...(overlay === undefined ? {} : { overlay: { name: '<--config-yaml>', text: overlay } }),
  });
  return 'problems' in loaded ? loaded.problems : loaded.warnings;
}

/** The whole text, '' = nothing to say. */
export function rendered(text: string, options: ReadOptions = {}): string {
  return renderProblems(problemsOf(text, options));
}

/** "error path: message", one per line, without places. */
export function briefly(text: string, options: ReadOptions = {}): string[] {
  return problemsOf(text, options).map(
    ({ severity, path, message }) => `${severity} ${path}${path === '' ? '' : ': '}${message}`,
  );
}

/** What compiled() knows of the environment. */
const ENVIRONMENT = { SET: 'set' };

const CLUSTER =
  'load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9001 } } } } ] } ] }';
const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

export interface Pieces {
  /** Fields of the cluster c after its name. */
  readonly cluster?: string;
  /** More fields of the connection manager, one line. */
  readonly manager?: string;
  /** The routes, one line. */
  readonly routes?: string;
  /** More fields of the virtual host, one line. */
  readonly host?: string;
  /** More fields of the listener, one line. */
  readonly listener?: string;
  /** More clusters, one per line. */
  readonly clusters?: readonly string[];
  readonly admin?: string;
}

/** A bootstrap without mistakes, with these pieces put in: what is wrong then is wrong with the piece. */
export function yaml(pieces: Pieces = {}): string {
  const comma = (text: string | undefined): string => (text === undefined ? '' : `, ${text}`);
  const routes = pieces.routes ?? '[ { match: { prefix: "/" }, route: { cluster: c } } ]';
  return `static_resources:
  listeners:
  - name: l
    address: { socket_address: { address: 127.0.0.1, port_value: 8000 } }
    ${pieces.listener ?? '# listener'}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": ${HCM}
          stat_prefix: s
          ${pieces.manager ?? '# manager'}
          route_config: { virtual_hosts: [ { name: v, domains: ["*"], routes: ${routes}${comma(pieces.host)} } ] }
          http_filters: [ { name: envoy.filters.http.router, typed_config: { "@type": ${ROUTER} } } ]
  clusters:
  - { name: c, ${pieces.cluster ?? CLUSTER} }
${(pieces.clusters ?? []).map((each) => `  - ${each}\n`).join('')}${pieces.admin === undefined ? '' : `admin: ${pieces.admin}\n`}`;
}

/** The cluster's fields with more of them. */
export function clusterWith(more: string): string {
  return `${CLUSTER}, ${more}`;
}

/** The connection manager of the first listener's first filter chain. */
export function managerOf({ plan }: Pick<Compiled, 'plan'>): HttpRecord {
  return plan.listeners.flatMap(managersOf)[0] as HttpRecord;
}

/** The plan of a text that must load, with these answers from DNS. */
export function compiled(
  text: string,
  resolved: ReadonlyMap<string, Resolved> = new Map(),
  registry = new PlanRegistry(),
): Compiled {
  const loaded = loadConfig({ path: null, text, name: 'x.yaml', allowsUnknownFields: false, environment: ENVIRONMENT });
  if ('problems' in loaded) throw new Error(renderProblems(loaded.problems));
  return planOf(loaded, registry, resolved, 1);
}
