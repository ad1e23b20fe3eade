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
  /** Characters to underline; at least the one under the caret. */
  readonly width?: number;
}

/** Columns of the source that are shown of a line: a config in one line must not fill the screen. */
const SHOWN_MAX = 140;
/** How much of a long line comes before the place. */
const SHOWN_BEFORE = 60;

/** "file:line:column: error: path: message", the line, and a caret under the place. */
export function renderProblem(problem: Problem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const head = `${place}: ${problem.severity}: ${path}${problem.message}`;
  if (problem.source === '') return printable(head);
  const number = String(problem.line);
  const { text, at } = excerpt(problem.source, problem.column - 1);
  const width = Math.max(1, Math.min(problem.width ?? 1, text.length - at));
  const indent = text.slice(0, at).replace(/[^\t]/g, ' ');
  return `${printable(head)}\n  ${number} | ${printable(text)}\n  ${' '.repeat(number.length)} | ${indent}^${'~'.repeat(width - 1)}`;
}

/** The part of a line around a place, and where the place is in it. */
function excerpt(line: string, at: number): { readonly text: string; readonly at: number } {
  if (line.length <= SHOWN_MAX) return { text: line, at };
  const start = Math.max(0, Math.min(at - SHOWN_BEFORE, line.length - SHOWN_MAX));
  const end = start + SHOWN_MAX;
  const before = start === 0 ? '' : '...';
  const after = end >= line.length ? '' : '...';
  return { text: before + line.slice(start, end) + after, at: at - start + before.length };
}

/** Control characters of a file must not reach the terminal. */
function printable(text: string): string {
  return text.replace(/[\0-\x08\x0a-\x1f\x7f-\x9f]/g, '?');
}

/** json: one object per line. */
export function renderProblems(problems: readonly Problem[], format: 'text' | 'json' = 'text'): string {
  if (format === 'text') return problems.map(renderProblem).join('\n');
  return problems
    .map(({ severity, file, line, column, path, message, source }) =>
      JSON.stringify({ severity, file, line, column, path, message, source: excerpt(source, column - 1).text }),
    )
    .join('\n');
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

/** Longer words are no slips, and their distance takes long to count. */
const WORD_MAX = 200;

function editDistance(a: string, b: string): number {
  if (a.length > WORD_MAX || b.length > WORD_MAX) return a === b ? 0 : Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  let above = row;
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1);
      // Two neighbours in the wrong order are one slip.
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (above[j - 2] as number) + 1);
      next.push(least);
    }
    above = row;
    row = next;
  }
  return row[b.length] as number;
}
