/** RunSet: policies by scenarios, one after another; Ctrl-C ends it and keeps what is finished. */
import type { Measurements } from './measurements.js';
import type { PolicyVariant } from './policies.js';
import { ProgressBar } from './progress-bar.js';
import type { Scenario } from './scenario.js';
import { Simulation } from './simulation.js';

export interface Run {
  readonly scenario: Scenario;
  readonly policy: PolicyVariant;
  readonly measurements: Measurements;
}

export interface RunSet {
  readonly seed: number;
  readonly runs: readonly Run[];
  readonly isInterrupted: boolean;
}

/** Events between two looks at the bar and at Ctrl-C. */
const SLICE = 200_000;

export async function runAll(
  scenarios: readonly Scenario[],
  policies: readonly PolicyVariant[],
  seed: number,
): Promise<RunSet> {
  const runs: Run[] = [];
  const bar = new ProgressBar(scenarios.length * policies.length);
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
  };
  process.once('SIGINT', interrupt);
  for (const scenario of scenarios)
    for (const policy of policies) {
      const simulation = new Simulation(scenario, policy, seed);
      while (!isInterrupted && simulation.advance(SLICE)) {
        bar.show(`${scenario.name} ${policy.name}`, simulation.progress);
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (isInterrupted) break;
      bar.step();
      runs.push({ scenario, policy, measurements: simulation.measurements });
    }
  process.off('SIGINT', interrupt);
  bar.clear();
  return { seed, runs, isInterrupted };
}

/** Scenarios of which there is a run, in the order in which they were run. */
export function scenariosOf({ runs }: RunSet): Scenario[] {
  return [...new Set(runs.map(({ scenario }) => scenario))];
}
