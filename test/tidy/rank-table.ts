/** THE rank table: imports go to lower ranks or stay in their folder; ARCHITECTURE.md quotes it. */

export const RANKS: Readonly<Record<string, number>> = {
  'engine/base': 0,
  'engine/metrics': 1,
  'engine/fault': 1,
  'engine/limit': 1,
  'engine/io': 2,
  'engine/http': 2,
  'engine/http1': 3,
  'engine/http2': 3,
  'engine/tls': 3,
  'engine/plan': 4,
  'engine/format': 5,
  'engine/route': 6,
  'engine/filter': 6,
  'engine/upstream': 6,
  'engine/proxy': 7,
  'engine/uws': 8,
  'engine/worker': 9,
  'engine/discovery': 9,
  'engine/control': 10,
  'engine/admin': 11,
  'engine/*.ts': 12,
};

/** The row of a file of the engine. */
export function rankedFolder(path: string): string {
  const parts = path.split('/');
  return parts.length === 2 ? 'engine/*.ts' : `${parts[0]}/${parts[1]}`;
}

/**
 * Imports against the ranks, each with its reason. They are types only: they are gone once compiled, so nothing below
 * can run what is above.
 */
export function isTypeAllowed(from: string, to: string): boolean {
  // http says in its contract what a connection is.
  if (from === 'engine/http') return to === 'engine/io';
  // control and admin are handed what main holds.
  return (RANKS[from] as number) >= 10;
}
