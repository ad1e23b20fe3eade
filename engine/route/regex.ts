/** Regular expressions of the config: RE2 syntax in linear time, so that no pattern can be made to backtrack. */
import { RE2JS } from 're2js';
import type { RegexRewriteRecord } from '../plan/records.js';

export type Regex = RE2JS;

/** Throws with the reason when the pattern is not RE2. */
export function compileRegex(pattern: string): Regex {
  return RE2JS.compile(pattern);
}

/** The whole text must match. */
export function matchesWhole(regex: Regex, text: string): boolean {
  return regex.matches(text);
}

/** A rewrite: every match is replaced; \0 to \9 are the groups, \\ is a backslash. */
export class RegexRewrite {
  readonly #regex: Regex;
  readonly #replacement: string;

  constructor(record: RegexRewriteRecord) {
    this.#regex = compileRegex(record.pattern);
    // RE2's \N to the engine's $N.
    this.#replacement = record.substitution
      .replace(/\$/g, '\\$')
      .replace(/\\(\\|\d|\\\$)/g, (_, what: string) => (what === '\\' ? '\\\\' : /\d/.test(what) ? `$${what}` : what));
  }

  apply(text: string): string {
    return this.#regex.matcher(text).replaceAll(this.#replacement);
  }
}
