/** Filter chains of a listener to their records: matches, transport sockets, and what needs a look at the first bytes. */
import type {
  FilterChainMatchRecord,
  FilterChainRecord,
  InspectionRecord,
  ProxyProtocolRecord,
} from '../plan/chain-records.js';
import type { HttpRecord, ListenerRecord } from '../plan/records.js';
import type { ClusterNames } from './check-cluster.js';
import { compileTcpProxy } from './compile-tcp.js';
import { ProxyProtocol } from './schema-proxy-protocol.js';
import { TcpProxy } from './schema-tcp.js';
import { compileDownstreamTls, type TlsSocketContext, tlsSocketOf } from './compile-tls.js';
import { compileCidr, fieldOf, fieldsOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { PlanRegistry } from './registry.js';

export interface ChainContext {
  readonly reader: DocumentReader;
  readonly registry: PlanRegistry;
  /** Of the listener. */
  readonly tls: TlsSocketContext;
  readonly listenerKey: string;
  readonly compileHttp: (manager: Value) => HttpRecord;
  /** What tcp_proxy may send to. */
  readonly names: ClusterNames;
}

type Chains = Pick<ListenerRecord, 'chains' | 'defaultChain' | 'hasOneChainForAll' | 'inspection'>;

/** Envoy has no limit: a client that stops in the middle of its handshake would be kept for ever. */
const HANDSHAKE_TIMEOUT_MS = 15000;
const INSPECTION_TIMEOUT_MS = 15000;

export function compileChains(context: ChainContext, listener: Value): Chains {
  const values = fieldsOf(listener, 'filter_chains');
  const fallback = fieldOf(listener, 'default_filter_chain');
  const { reader } = context;
  if (values.length === 0 && fallback === undefined)
    reader.report('error', listener, '', 'filter_chains is required in Listener');
  checkPrefaces(reader, listener);
  const chains = values.map((value) => compileChain(context, value, textOf(value, 'name')));
  checkDoubles(reader, values, chains);
  if (fallback?.['filter_chain_match'] !== undefined)
    reader.report(
      'warning',
      fallback,
      'filter_chain_match',
      'has no effect here: default_filter_chain takes what no other chain matches',
    );
  const defaultChain = fallback === undefined ? null : compileChain(context, fallback, 'default_filter_chain');
  const hasOneChainForAll = chains.length === 1 && !isAsking((chains[0] as FilterChainRecord).match);
  return { chains, defaultChain, hasOneChainForAll, inspection: inspectionOf(listener, chains) };
}

function inspectionOf(listener: Value, chains: readonly FilterChainRecord[]): InspectionRecord {
  // The inspector is implied where a match asks for what it finds out; written where none does, it changes nothing.
  const filters = fieldsOf(listener, 'listener_filters').map((filter) => fieldOf(filter, 'typed_config') ?? {});
  const names = filters.filter((filter) => filter['@type'] !== ProxyProtocol.typeUrl);
  const isNeeded = chains.some(
    ({ match }) =>
      match.serverNames.length > 0 || match.transportProtocol !== '' || match.applicationProtocols.length > 0,
  );
  return {
    proxyProtocol: proxyProtocolOf(filters),
    isNeeded: isNeeded || (names.length > 0 && chains.some(({ tls }) => tls !== null && tls.contexts.length > 1)),
    timeoutMs: numberOf(listener, 'listener_filters_timeout', INSPECTION_TIMEOUT_MS),
    continuesOnTimeout: flagOf(listener, 'continue_on_listener_filters_timeout'),
  };
}

function proxyProtocolOf(filters: readonly Value[]): ProxyProtocolRecord | null {
  const filter = filters.find((each) => each['@type'] === ProxyProtocol.typeUrl);
  if (filter === undefined) return null;
  const disallowed = (filter['disallowed_versions'] as readonly string[] | undefined) ?? [];
  return {
    allowsOthers: flagOf(filter, 'allow_requests_without_proxy_protocol'),
    versions: ([1, 2] as const).filter((version) => !disallowed.includes(`V${version}`)),
  };
}

/** One is read. */
function checkPrefaces(reader: DocumentReader, listener: Value): void {
  const types = fieldsOf(listener, 'listener_filters').map((filter) => fieldOf(filter, 'typed_config')?.['@type']);
  types.forEach((type, at) => {
    if (type === ProxyProtocol.typeUrl && types.indexOf(type) < at)
      reader.report('error', listener, `listener_filters[${at}]`, 'there is a filter of the PROXY protocol already');
  });
}

function isAsking(match: FilterChainMatchRecord): boolean {
  return Object.values(match).some((each) => each !== 0 && each !== '' && each !== 'ANY' && String(each) !== '');
}

function compileChain(context: ChainContext, chain: Value, name: string): FilterChainRecord {
  const { reader, registry, tls } = context;
  const filters = fieldsOf(chain, 'filters');
  if (filters.length > 1)
    reader.report('error', chain, 'filters', 'one network filter is supported: http_connection_manager or tcp_proxy');
  const filter = fieldOf(filters[filters.length - 1] ?? {}, 'typed_config') ?? {};
  const match = compileMatch(reader, fieldOf(chain, 'filter_chain_match') ?? {});
  const socket = tlsSocketOf(chain);
  return {
    index: registry.chain(`${context.listenerKey} ${name === '' ? JSON.stringify(match) : name}`),
    name,
    match,
    tls: socket === null ? null : compileDownstreamTls(tls, socket),
    handshakeTimeoutMs: numberOf(chain, 'transport_socket_connect_timeout', HANDSHAKE_TIMEOUT_MS),
    filter:
      filter['@type'] === TcpProxy.typeUrl
        ? { kind: 'tcp_proxy', tcp: compileTcpProxy({ ...context.names, registry }, filter) }
        : { kind: 'http', http: context.compileHttp(filter) },
  };
}

function compileMatch(reader: DocumentReader, match: Value): FilterChainMatchRecord {
  const ranges = (field: string): string[] => fieldsOf(match, field).map((range) => compileCidr(reader, range));
  const list = <T>(field: string): T[] => (match[field] as T[] | undefined) ?? [];
  const serverNames = list<string>('server_names').map((name) => name.toLowerCase());
  serverNames.forEach((name, at) => {
    const rest = name.startsWith('*.') ? name.slice(2) : name;
    if (rest.includes('*') || rest === '')
      reader.report(
        'error',
        match,
        `server_names[${at}]`,
        `${JSON.stringify(name)} can't be matched: a wildcard stands for whole labels at the beginning ("*.example.com")`,
      );
  });
  return {
    destinationPort: numberOf(match, 'destination_port', 0),
    prefixRanges: ranges('prefix_ranges'),
    serverNames,
    transportProtocol: textOf(match, 'transport_protocol') as FilterChainMatchRecord['transportProtocol'],
    applicationProtocols: list<string>('application_protocols'),
    directSourcePrefixRanges: ranges('direct_source_prefix_ranges'),
    sourceType: textOf(match, 'source_type', 'ANY') as FilterChainMatchRecord['sourceType'],
    sourcePrefixRanges: ranges('source_prefix_ranges'),
    sourcePorts: list<number>('source_ports'),
  };
}

/** Of two chains that match the same connections one would never be chosen. */
function checkDoubles(reader: DocumentReader, values: readonly Value[], chains: readonly FilterChainRecord[]): void {
  const matches = new Map<string, number>();
  const names = new Map<string, number>();
  chains.forEach(({ match, name }, at) => {
    for (const serverName of match.serverNames.length === 0 ? [''] : match.serverNames) {
      const key = JSON.stringify({ ...match, serverNames: [serverName] });
      const other = matches.get(key);
      if (other !== undefined && other !== at)
        reader.report(
          'error',
          values[at],
          match.serverNames.length === 0 ? '' : 'filter_chain_match',
          `matches the same connections as filter_chains[${other}]${serverName === '' ? '' : `: ${serverName}`}`,
        );
      matches.set(key, at);
    }
    if (name !== '' && names.has(name))
      reader.report('error', values[at], 'name', `there is another filter chain ${JSON.stringify(name)}`);
    names.set(name, at);
  });
}
