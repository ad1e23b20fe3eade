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

const FLAGS = /^\(\?[A-Za-z-]*\)/;

/**
 * What every text that matches as a whole begins with: '' when nothing is certain. Comparing it first spares most
 * requests the expression.
 */
export function literalPrefix(pattern: string): string {
  // With an alternative outside of every group, two texts may begin differently; inside of a group the scan has ended.
  if (pattern.includes('|')) return '';
  let prefix = '';
  let at = pattern.startsWith('^') ? 1 : 0;
  while (at < pattern.length) {
    let char = pattern[at] as string;
    let after = at + 1;
    if (char === '\\') {
      char = pattern[at + 1] ?? '';
      after = at + 2;
      if (!/^[!-/:-@[-`{-~]$/.test(char)) break;
    } else if (!/^[A-Za-z0-9/_\-~!@#%&=:;,'"<>` ]$/.test(char)) break;
    const next = pattern[after];
    // Optional or repeated: the character itself is not certain.
    if (next === '*' || next === '?' || next === '{') break;
    // A group of flags alone may stand before a repetition, which then is one of the character.
    if (next === '(' && FLAGS.test(pattern.slice(after))) break;
    prefix += char;
    if (next === '+') break;
    at = after;
  }
  return prefix;
}

const GROUP = /\\(\\|[0-9])/g;

/** What is wrong with a substitution for this pattern, or null: only \0 to \9 and \\ mean something after "\". */
export function checkSubstitution(pattern: string, substitution: string): string | null {
  const groups = compileRegex(pattern).groupCount();
  for (const [whole] of substitution.matchAll(/\\([\s\S]?)/g)) {
    const what = whole[1];
    if (what === '\\') continue;
    if (what === undefined || !/[0-9]/.test(what)) return 'a backslash must be followed by a digit or a backslash';
    if (Number(what) > groups) return `there is no group ${what}: the expression has ${groups}`;
  }
  return null;
}

/** A rewrite: every match is replaced; \0 to \9 are the groups, \\ is a backslash. */
export class RegexRewrite {
  readonly #regex: Regex;
  /** Texts and group numbers in turn. */
  readonly #parts: readonly (string | number)[];

  /** Throws with the reason when the pattern or the substitution is wrong. */
  constructor(record: RegexRewriteRecord) {
    this.#regex = compileRegex(record.pattern);
    const wrong = checkSubstitution(record.pattern, record.substitution);
    if (wrong !== null) throw new Error(`substitution ${JSON.stringify(record.substitution)}: ${wrong}`);
    const parts: (string | number)[] = [];
    let at = 0;
    for (const found of record.substitution.matchAll(GROUP)) {
      parts.push(record.substitution.slice(at, found.index));
      parts.push(found[1] === '\\' ? '\\' : Number(found[1]));
      at = found.index + 2;
    }
    parts.push(record.substitution.slice(at));
    this.#parts = parts;
  }

  /** RE2's GlobalReplace: an empty match right behind the last match does not count. */
  apply(text: string): string {
    const matcher = this.#regex.matcher(text);
    let result = '';
    let at = 0;
    let lastEnd = -1;
    while (matcher.find()) {
      const start = matcher.start();
      const end = matcher.end();
      if (start === end && start === lastEnd) continue;
      result += text.slice(at, start);
      for (const part of this.#parts) result += typeof part === 'string' ? part : (matcher.group(part) ?? '');
      at = end;
      lastEnd = end;
    }
    return result + text.slice(at);
  }
}
