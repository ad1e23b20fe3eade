/** Policies: scenarios/policies.yaml, what each balancer is called and how a config asks for it. */
import { join } from 'node:path';
import type { Value } from '../../engine/control/document.js';
import { readDocument, refuseProblems, SCENARIOS } from './scenario.js';
import { PoliciesMessage } from './schema.js';

export interface Policy {
  readonly name: string;
  readonly note: string;
  /** Fields of the cluster. */
  readonly cluster: Readonly<Record<string, unknown>>;
  /** Fields of its routes' actions. */
  readonly route: Readonly<Record<string, unknown>>;
  /** Each worker is a process of its own, that knows its own requests alone: what other proxies do. */
  readonly isPerWorker: boolean;
}

/** Throws ScenarioError. */
export function readPolicies(path = join(SCENARIOS, 'policies.yaml')): Policy[] {
  const { reader, value } = readDocument(path, PoliciesMessage);
  const seen = new Set<unknown>();
  for (const policy of (value['policies'] ?? []) as Value[]) {
    if (seen.has(policy['name'])) reader.report('error', policy, 'name', `there is a policy of that name already`);
    seen.add(policy['name']);
  }
  refuseProblems(reader);
  return (value['policies'] as Value[]).map((policy) => ({
    name: policy['name'] as string,
    note: (policy['note'] as string | undefined) ?? '',
    cluster: policy['cluster'] as Record<string, unknown>,
    route: (policy['route'] ?? {}) as Record<string, unknown>,
    isPerWorker: policy['per_worker'] === true,
  }));
}
