/** Golden set: all golden checks that a run takes, quick or full. */
import {
  binChecks,
  type Check,
  type Effort,
  GoldenRuns,
  hundredServersChecks,
  sharingChecks,
  supermarketChecks,
} from './golden.js';
import {
  collapseChecks,
  engineChecks,
  oneDispatcherChecks,
  orderChecks,
  prequalClaimChecks,
  prequalTableChecks,
} from './prequal-golden.js';
import { ProgressBar } from './progress-bar.js';

/** Full: a few minutes. Quick: seconds, what the test suite takes. */
export function goldenChecks(seed: number, effort: Effort): Check[] {
  const groups: ((runs: GoldenRuns) => Check[])[] = [
    (runs) => supermarketChecks(runs, effort),
    () => binChecks(seed, effort),
    (runs) => sharingChecks(runs, effort),
    oneDispatcherChecks,
    prequalClaimChecks,
    ...(effort === 'quick'
      ? []
      : [hundredServersChecks, prequalTableChecks, collapseChecks, engineChecks, orderChecks]),
  ];
  const bar = new ProgressBar(groups.length);
  const runs = new GoldenRuns(seed, (label) => bar.show(label, 0));
  const checks = groups.flatMap((group) => {
    const answer = group(runs);
    bar.step();
    return answer;
  });
  bar.clear();
  return checks;
}
