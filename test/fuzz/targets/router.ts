/** Fuzz target: route tables. The compiled table finds what reading the routes in order finds. */
import { Prng } from '../../../engine/base/prng.js';
import type { PathMatchRecord, RouteRecord } from '../../../engine/plan/records.js';
import { compileRegex } from '../../../engine/format/regex.js';
import { Router } from '../../../engine/route/router.js';
import { isPathMatch } from '../../support/route-reference.js';
import { host, requestHead, requestView, route, table } from '../../support/routes.js';
import { corpusOf } from '../corpus.js';

export const name = 'router';
export const corpus = corpusOf(name);

const KINDS = ['prefix', 'path', 'path_separated_prefix', 'safe_regex'] as const;
/** RE2 and JavaScript mean the same by these; what differs is not what this target is about. */
const PLAIN_REGEX = /^[/a-z0-9.*+?|()[\]-]*$/;
/** What the parser lets through as a path with query. */
const TARGET = /^\/[!$&-;=?-Z_a-z~]*$/;

/** "[i] kind value" is a route (i: case-insensitive), "> target" a request; anything else is passed over. */
export function run(input: Uint8Array): void {
  const routes: RouteRecord[] = [];
  const targets: string[] = [];
  for (const line of Buffer.from(input).toString('latin1').split('\n')) {
    const found = /^(i )?(prefix|path|path_separated_prefix|safe_regex) (\S*)$/.exec(line);
    if (found !== null) {
      const path = { kind: found[2] as (typeof KINDS)[number], value: found[3] as string };
      if (isValid(path)) routes.push(route(path, { caseSensitive: found[1] === undefined }));
    } else if (line.startsWith('> ') && TARGET.test(line.slice(2))) targets.push(line.slice(2));
  }
  const router = new Router(table([host({ routes })]), Prng.fromSeed(1));
  for (const target of targets) {
    const expected = routes.find((each) => isPathMatch(each, target)) ?? null;
    const actual = router.route(requestView(requestHead(target)))?.record ?? null;
    if (actual !== expected) throw new Error(`${target}: ${actual?.name} instead of ${expected?.name}`);
  }
}

/** What the config would let through. */
function isValid({ kind, value }: PathMatchRecord & { readonly value: string }): boolean {
  if (/[\x00-\x20\x7f-\xff]/.test(value)) return false;
  if (kind === 'path_separated_prefix') return /^\/.*[^/?#]$/.test(value) && !/[?#]/.test(value);
  if (kind === 'path') return value.startsWith('/') && !/[?#]/.test(value);
  if (kind === 'prefix') return value.startsWith('/') && !value.includes('#');
  if (!PLAIN_REGEX.test(value) || value.includes('[]')) return false;
  try {
    compileRegex(value);
    return new RegExp(`^(?:${value})$`) !== null;
  } catch {
    return false;
  }
}
