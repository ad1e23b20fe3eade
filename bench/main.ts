/** `npm run bench`: the tour, or one of its parts by name. */
import { renderProblems } from '../engine/fault/problem.js';
import { suggest } from '../engine/fault/problem.js';
import { ScenarioError } from './scenario/scenario.js';

type Run = (args: readonly string[]) => Promise<number>;

/** Modules are loaded when asked for: a part that lacks a package must not stop the others. */
const PARTS: Readonly<Record<string, { readonly help: string; readonly load: () => Promise<Run> }>> = {
  simulate: { help: 'many proxies and backends on virtual time', load: loadSimulate },
};

const USAGE = `usage: npm run bench [-- PART [options]]

${Object.entries(PARTS)
  .map(([name, { help }]) => `  ${name.padEnd(10)} ${help}`)
  .join('\n')}
`;

async function loadSimulate(): Promise<Run> {
  const path = new URL('./simulate.js', import.meta.url).href;
  try {
    return ((await import(path)) as { simulate: Run }).simulate;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UsageError('the simulator is not built into this version');
  }
}

/** One line, exit code 2. */
class UsageError extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const [name = '', ...others] = args;
  if (name === '--help' || name === '-h' || name === '') {
    process.stdout.write(USAGE);
    return 0;
  }
  const part = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
  if (part === undefined) {
    const near = suggest(name, Object.keys(PARTS));
    throw new UsageError(`there is no part ${JSON.stringify(name)}${near === null ? '' : `; did you mean ${near}?`}`);
  }
  const run = await part.load();
  return run(others);
}

main(process.argv.slice(2))
  .then((code) => process.exit(code))
  .catch((error: unknown) => {
    if (error instanceof ScenarioError) process.stderr.write(`${renderProblems(error.problems)}\n`);
    else if (error instanceof UsageError) process.stderr.write(`bench: ${error.message}\n\n${USAGE}`);
    else process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(error instanceof UsageError ? 2 : 1);
  });
