/** ChainMatcher: which filter chain a connection gets: Envoy's order of criteria, the most specific of each, no way back. */
import { CidrList } from '../http/cidr.js';
import { withoutMapping } from '../http/forwarded.js';
import type { Address } from '../io/transport.js';
import type { FilterChainMatchRecord } from '../plan/chain-records.js';

/** What is known of a connection. */
export interface ConnectionFacts {
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  /** Of the socket, whatever a PROXY preface said. */
  readonly directAddress: Address;
  /** Lower case; '' = none. */
  readonly serverName: string;
  readonly transportProtocol: 'tls' | 'raw_buffer';
  readonly applicationProtocols: readonly string[];
}

interface Range {
  readonly list: CidrList;
  readonly bits: number;
}

interface Candidate {
  readonly at: number;
  readonly match: FilterChainMatchRecord;
  readonly destinations: readonly Range[];
  readonly directSources: readonly Range[];
  readonly sources: readonly Range[];
}

/** How specifically a chain matches one criterion: -1 = not, 0 = it doesn't ask. */
type Score = (candidate: Candidate, facts: ConnectionFacts) => number;

const EXACT = 1000;

/** D/api-v3/config/listener/v3/listener_components.proto, FilterChainMatch: in this order. */
const CRITERIA: readonly Score[] = [
  ({ match }, { localAddress }) =>
    match.destinationPort === 0 ? 0 : match.destinationPort === localAddress.port ? 1 : -1,
  ({ destinations }, { localAddress }) => longestPrefix(destinations, localAddress),
  ({ match }, { serverName }) => nameScore(match.serverNames, serverName),
  ({ match }, { transportProtocol }) =>
    match.transportProtocol === '' ? 0 : match.transportProtocol === transportProtocol ? 1 : -1,
  ({ match }, { applicationProtocols }) => protocolScore(match.applicationProtocols, applicationProtocols),
  ({ directSources }, { directAddress }) => longestPrefix(directSources, directAddress),
  ({ match }, facts) =>
    match.sourceType === 'ANY' ? 0 : isLocal(facts) === (match.sourceType === 'SAME_IP_OR_LOOPBACK') ? 1 : -1,
  ({ sources }, { remoteAddress }) => longestPrefix(sources, remoteAddress),
  ({ match }, { remoteAddress }) =>
    match.sourcePorts.length === 0 ? 0 : match.sourcePorts.includes(remoteAddress.port) ? 1 : -1,
];

export class ChainMatcher {
  readonly #candidates: readonly Candidate[];

  /** Throws when a range is none. */
  constructor(matches: readonly FilterChainMatchRecord[]) {
    this.#candidates = matches.map((match, at) => ({
      at,
      match,
      destinations: match.prefixRanges.map(rangeOf),
      directSources: match.directSourcePrefixRanges.map(rangeOf),
      sources: match.sourcePrefixRanges.map(rangeOf),
    }));
  }

  /** Index of the chain, -1 = none. */
  choose(facts: ConnectionFacts): number {
    let left = this.#candidates;
    for (const score of CRITERIA) {
      let best = 0;
      let kept: Candidate[] = [];
      for (const candidate of left) {
        const found = score(candidate, facts);
        if (found < best) continue;
        if (found > best) kept = [];
        best = found;
        kept.push(candidate);
      }
      left = kept;
    }
    return left[0]?.at ?? -1;
  }
}

function rangeOf(range: string): Range {
  return { list: new CidrList([range]), bits: Number(range.split('/')[1]) };
}

function longestPrefix(ranges: readonly Range[], address: Address): number {
  if (ranges.length === 0) return 0;
  if (address.family === 'unix') return -1;
  const { host } = withoutMapping(address);
  let longest = -1;
  for (const { list, bits } of ranges) if (bits + 1 > longest && list.contains(host)) longest = bits + 1;
  return longest;
}

/** Exact before the longest wildcard. */
function nameScore(names: readonly string[], serverName: string): number {
  if (names.length === 0) return 0;
  let best = -1;
  for (const name of names) {
    if (name === serverName) return EXACT;
    // The wildcard stands for one label at least.
    if (name.startsWith('*.') && serverName.length >= name.length && serverName.endsWith(name.slice(1)))
      best = Math.max(best, name.length);
  }
  return best;
}

/** The client's preference counts. */
function protocolScore(wanted: readonly string[], offered: readonly string[]): number {
  if (wanted.length === 0) return 0;
  const at = offered.findIndex((protocol) => wanted.includes(protocol));
  return at < 0 ? -1 : offered.length - at;
}

function isLocal({ localAddress, remoteAddress }: ConnectionFacts): boolean {
  if (remoteAddress.family === 'unix') return true;
  const { host, family } = withoutMapping(remoteAddress);
  if (host === withoutMapping(localAddress).host) return true;
  return family === 4 ? host.startsWith('127.') : host === '::1';
}
