/** grpc_stats to its record: a scope of counters for each cluster and each method that is listed. */
import type { GrpcStatsRecord } from '../plan/grpc-stats-record.js';
import { fieldOf, fieldsOf, flagOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { PlanRegistry } from './registry.js';

export interface GrpcStatsContext {
  readonly reader: DocumentReader;
  readonly registry: PlanRegistry;
  /** Names that the document defines. */
  readonly clusters: ReadonlySet<string>;
}

export function compileGrpcStats({ reader, registry, clusters }: GrpcStatsContext, value: Value): GrpcStatsRecord {
  const services = fieldsOf(fieldOf(value, 'individual_method_stats_allowlist') ?? {}, 'services');
  const methods = services.flatMap((service) =>
    (service['method_names'] as string[]).map((method) => ({ service: textOf(service, 'name'), method })),
  );
  for (const service of services)
    if (textOf(service, 'name').includes('/'))
      reader.report('error', service, 'name', 'is a name as in package.Service, without slashes');
  const replacesDots = flagOf(value, 'replace_dots_in_grpc_service_name');
  const names = methods.map(
    ({ service, method }) => `${replacesDots ? service.replaceAll('.', '_') : service}.${method}`,
  );
  const scopes = Object.fromEntries(
    [...clusters]
      .filter((cluster) => cluster !== '')
      .map((cluster) => [
        cluster,
        ['', ...names].map((name) =>
          registry.metrics('grpc', name === '' ? `${cluster}.grpc` : `${cluster}.grpc.${name}`),
        ),
      ]),
  );
  return {
    methods,
    scopes,
    all: flagOf(value, 'stats_for_all_methods') ? registry.grpcMethods() : null,
    replacesDots,
    emitsState: flagOf(value, 'emit_filter_state'),
    timesUpstream: flagOf(value, 'enable_upstream_stats'),
  };
}
