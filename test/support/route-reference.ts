/** What the documentation says a route's path match means, as slow and plain as it can be. */
import type { RouteRecord } from '../../engine/plan/records.js';

export function isPathMatch(each: RouteRecord, target: string): boolean {
  const bare = target.split('?')[0] as string;
  const match = each.match.path;
  if (match.kind === 'connect') return false;
  if (match.kind === 'safe_regex') return new RegExp(`^(?:${match.value})$`).test(bare);
  const fold = (text: string): string => (each.match.caseSensitive ? text : text.toLowerCase());
  const value = fold(match.value);
  if (match.kind === 'prefix') return fold(target).startsWith(value);
  if (match.kind === 'path') return fold(bare) === value;
  return fold(bare) === value || fold(bare).startsWith(`${value}/`);
}
