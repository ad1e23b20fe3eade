/** Fuzz target: config documents. Loading never throws, says where, and a config that loads compiles the same twice. */
import { loadConfig, planOf } from '../../../engine/control/load.js';
import { PlanRegistry } from '../../../engine/control/registry.js';
import { renderProblems } from '../../../engine/fault/problem.js';
import { corpusOf } from '../corpus.js';

export const name = 'config';

/** Inputs to begin with, as latin1 text. */
export const corpus = corpusOf(name);

export function run(input: Uint8Array): void {
  const text = Buffer.from(input).toString('utf8');
  // The end of the input is also tried as an overlay of its beginning.
  const cut = text.lastIndexOf('#overlay');
  const loaded = loadConfig({
    path: null,
    text: cut < 0 ? text : text.slice(0, cut),
    name: 'fuzz',
    ...(cut < 0 ? {} : { overlay: { name: 'over', text: text.slice(cut) } }),
    allowsUnknownFields: text.length % 2 === 1,
    environment: {},
  });
  const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
  const lines = text.split('\n').length;
  for (const { line, column, source, message } of problems) {
    if (line > lines || column > source.length + 2) throw new Error(`a place outside the text: ${line}:${column}`);
    if (message === '') throw new Error('a problem without a message');
  }
  if (/\x1b/.test(renderProblems(problems))) throw new Error('an escape reaches the terminal');
  if ('problems' in loaded) {
    if (!problems.some(({ severity }) => severity === 'error')) throw new Error('refused without an error');
    return;
  }
  const plans = [1, 2].map(() => JSON.stringify(planOf(loaded, new PlanRegistry(), new Map(), 1).plan));
  if (plans[0] !== plans[1]) throw new Error('two plans of one config');
}
