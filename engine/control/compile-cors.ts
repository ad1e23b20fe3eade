/** CORS policies to records: what a message leaves open is as the message around it says. */
import type { CorsRecord } from '../plan/cors-record.js';
import { compileFraction } from './compile-match.js';
import { compileString, fieldOf, fieldsOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { PlanRegistry } from './registry.js';
import type { Runtime } from './runtime.js';

export interface CorsContext {
  readonly reader: DocumentReader;
  readonly registry: PlanRegistry;
  readonly runtime: Runtime;
  /** Of the connection manager. */
  readonly statPrefix: string;
}

const ALWAYS = { numerator: 100, denominator: 100 };
const NEVER = { numerator: 0, denominator: 100 };

/** outer: of the message around, null = it has none. */
export function compileCors(context: CorsContext, policy: Value, outer: CorsRecord | null): CorsRecord {
  const { reader, registry, runtime, statPrefix } = context;
  const flag = (field: string, otherwise: boolean | null): boolean | null =>
    (policy[field] as boolean | undefined) ?? otherwise;
  const words = (field: string, otherwise: string): string => {
    const own = textOf(policy, field);
    return own === '' ? otherwise : own;
  };
  const origins = fieldsOf(policy, 'allow_origin_string_match').map((matcher) => compileString(reader, matcher));
  const enabled = fieldOf(policy, 'filter_enabled');
  const shadowed = fieldOf(policy, 'shadow_enabled');
  const record: CorsRecord = {
    counters: registry.metrics('http', statPrefix).counters,
    allowOrigins: origins.length === 0 ? (outer?.allowOrigins ?? []) : origins,
    allowMethods: words('allow_methods', outer?.allowMethods ?? ''),
    allowHeaders: words('allow_headers', outer?.allowHeaders ?? ''),
    exposeHeaders: words('expose_headers', outer?.exposeHeaders ?? ''),
    maxAge: words('max_age', outer?.maxAge ?? ''),
    allowCredentials: flag('allow_credentials', outer?.allowCredentials ?? null),
    allowPrivateNetworkAccess: flag('allow_private_network_access', outer?.allowPrivateNetworkAccess ?? null),
    forwardNotMatchingPreflights: flag('forward_not_matching_preflights', outer?.forwardNotMatchingPreflights ?? null),
    enabled: enabled === undefined ? ALWAYS : compileFraction(runtime, enabled),
    shadowed: shadowed === undefined ? NEVER : compileFraction(runtime, shadowed),
  };
  if (record.allowOrigins.length === 0)
    reader.report('warning', policy, '', 'allows no origin: add allow_origin_string_match');
  if (record.maxAge !== '' && !/^-?\d+$/.test(record.maxAge))
    reader.report('error', policy, 'max_age', `${JSON.stringify(record.maxAge)} is no number of seconds`);
  return record;
}
