/** Fuzz target: expressions. Those that JavaScript reads alike match alike; no text escapes the prefix; rewrites end. */
import {
  checkSubstitution,
  compileRegex,
  literalPrefix,
  matchesWhole,
  type Regex,
  RegexRewrite,
} from '../../../engine/format/regex.js';
import { corpusOf } from '../corpus.js';

export const name = 'regex';
export const corpus = corpusOf(name);

/** RE2 and JavaScript mean the same by these, apart from what isAlike() sorts out. */
const PLAIN = /^[/a-z0-9.*+?|()[\]^,{}-]*$/;

/** Lines: an expression, then ">substitution" or texts to try. */
export function run(input: Uint8Array): void {
  const [pattern = '', ...lines] = Buffer.from(input).toString('latin1').split('\n');
  let regex: Regex;
  try {
    regex = compileRegex(pattern);
  } catch (error) {
    if (!(error instanceof Error) || error.message === '') throw new Error('refused without a reason');
    return;
  }
  const prefix = literalPrefix(pattern);
  const other = isAlike(pattern) ? new RegExp(`^(?:${pattern})$`, 's') : null;
  for (const text of lines.filter((line) => !line.startsWith('>')).slice(0, 20)) {
    if (/[^\x20-\x7e]/.test(text)) continue;
    const does = matchesWhole(regex, text);
    if (does && !text.startsWith(prefix)) throw new Error(`${pattern}: ${text} does not begin with ${prefix}`);
    if (other !== null && !/[\r\n]/.test(text) && other.test(text) !== does)
      throw new Error(`${pattern}: ${text} ${does ? 'matches' : 'does not match'}`);
    for (const line of lines) if (line.startsWith('>')) rewrite(pattern, line.slice(1), text);
  }
}

function rewrite(pattern: string, substitution: string, text: string): void {
  const wrong = checkSubstitution(pattern, substitution);
  let made: RegexRewrite;
  try {
    made = new RegexRewrite({ pattern, substitution });
  } catch {
    if (wrong === null) throw new Error(`${substitution}: good, but can't be made`);
    return;
  }
  if (wrong !== null) throw new Error(`${substitution}: made in spite of ${wrong}`);
  const result = made.apply(text);
  // Each place between two characters, and each character, is replaced at most once.
  const longest = (text.length + 1) * (substitution.length * Math.max(1, text.length) + 1);
  if (result.length > longest) throw new Error(`${pattern}: ${text} became ${result.length} characters`);
}

/** An expression that both read, in the same way; short, because JavaScript's reading may take exponential time. */
function isAlike(pattern: string): boolean {
  if (
    !PLAIN.test(pattern) ||
    pattern.length > 24 ||
    /\[\]|\[\^\]|\[[^\]]*\[|\(\?|[*+?}][*+?{]|\{,|\{0\d|,0\d/.test(pattern)
  )
    return false;
  // At most one repetition, so that it does not.
  if ((pattern.match(/[*+{]/g) ?? []).length > 2) return false;
  try {
    new RegExp(pattern, 'u');
    return true;
  } catch {
    return false;
  }
}
