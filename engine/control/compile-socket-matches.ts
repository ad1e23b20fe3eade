/** transport_socket_matches: a cluster's transport sockets besides its own, and which endpoints' metadata picks them. */
import { isDeepStrictEqual } from 'node:util';
import type { SocketMatchRecord } from '../plan/records.js';
import type { UpstreamTlsRecord } from '../plan/tls-records.js';
import { fieldOf, fieldsOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

/** Of filter_metadata, of endpoints and of localities. */
const METADATA = 'envoy.transport_socket_match';

/** compileTls: of what has a transport_socket; null = bytes as they come. */
export function compileSocketMatches(
  reader: DocumentReader,
  cluster: Value,
  compileTls: (holder: Value) => UpstreamTlsRecord | null,
): SocketMatchRecord[] {
  const names = new Set<string>();
  return fieldsOf(cluster, 'transport_socket_matches').map((match) => {
    const name = textOf(match, 'name');
    if (names.has(name)) reader.report('error', match, 'name', `there is another match ${JSON.stringify(name)}`);
    names.add(name);
    return { name, tls: compileTls(match) };
  });
}

/** The name of the first match for an endpoint; '' = the cluster's own transport socket. */
export function socketNameOf(cluster: Value, locality: Value, lbEndpoint: Value): string {
  const matches = fieldsOf(cluster, 'transport_socket_matches');
  if (matches.length === 0) return '';
  // The endpoint's own come before those of its locality (Envoy).
  const labels = labelsOf(lbEndpoint) ?? labelsOf(locality) ?? {};
  const found = matches.find((match) =>
    Object.entries(fieldOf(match, 'match') ?? {}).every(([key, value]) => isDeepStrictEqual(labels[key], value)),
  );
  return found === undefined ? '' : textOf(found, 'name');
}

function labelsOf(value: Value): Record<string, unknown> | undefined {
  return fieldOf(fieldOf(fieldOf(value, 'metadata') ?? {}, 'filter_metadata') ?? {}, METADATA);
}
