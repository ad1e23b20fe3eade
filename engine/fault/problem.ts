/** Problem: something wrong or doubtful in a config document: where, what, and what to do about it. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  /** "static_resources.listeners[0].address". */
  readonly path: string;
  readonly message: string;
  /** File name as given, or "<--config-yaml>". */
  readonly file: string;
  /** From 1; 0 = no place. */
  readonly line: number;
  readonly column: number;
  /** The line itself, '' = none. */
  readonly source: string;
}

/** "file:line:column: error: path: message", the line, and a caret under the place. */
export function renderProblem(problem: Problem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const head = `${place}: ${problem.severity}: ${path}${problem.message}`;
  if (problem.source === '') return head;
  const number = String(problem.line);
  const indent = problem.source.slice(0, problem.column - 1).replace(/[^\t]/g, ' ');
  return `${head}\n  ${number} | ${problem.source}\n  ${' '.repeat(number.length)} | ${indent}^`;
}

export function renderProblems(problems: readonly Problem[]): string {
  return problems.map(renderProblem).join('\n');
}

/** The candidate nearest to a word by edit distance, when it is near enough to be a slip; else null. */
export function suggest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    // A word that is the beginning of a field (port -> port_value) is nearer than its length says.
    const isStart = word.length >= 3 && (candidate.startsWith(`${word}_`) || candidate.endsWith(`_${word}`));
    const distance = isStart ? 1 : editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
