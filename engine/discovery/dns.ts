/** DNS discovery: looks names up now and then, keeps the last good answer, tells of changes. */
import { networkInterfaces } from 'node:os';
import { type DnsFamily, type FoundAddress, type Lookup, lookUp, NOTHING_THERE } from './lookup.js';

export type { Lookup } from './lookup.js';

export interface DnsQuestion {
  readonly host: string;
  readonly family: DnsFamily;
  readonly refreshMs: number;
  /** Asks again when the answer's time to live is over, instead of after refreshMs. */
  readonly respectsTtl?: boolean;
}

export interface DnsAnswer {
  /** The first one stays first as long as it is in the answer: LOGICAL_DNS uses that one alone. */
  readonly addresses: readonly string[];
  readonly failed: boolean;
}

export interface DnsOptions {
  readonly lookUp?: Lookup;
  /** Hears of every look-up: that it began, and how it ended. */
  readonly onLookup?: (key: string, what: 'attempt' | 'success' | 'failure' | 'empty') => void;
  /** One line for the log when a name begins to fail and when it is found again. */
  readonly onTrouble?: (message: string) => void;
  /** How long watch() waits for first answers. */
  readonly firstAnswerMs?: number;
}

/** A resolver that doesn't answer must not keep a reload, or the replacement of a dead worker, waiting for longer. */
const FIRST_ANSWER_MS = 5000;
/** A time to live of 0 would have us ask without a pause. */
const TTL_MIN_MS = 1000;
/** setTimeout takes 31 bits, and fires at once beyond. */
const WAIT_MAX_MS = 2 ** 31 - 1;
/** Later by up to this part, so that many names are not asked for at once for ever. */
const JITTER = 0.1;

/** One name under watch. */
interface Watch {
  readonly key: string;
  question: DnsQuestion;
  timer: NodeJS.Timeout | null;
  isOver: boolean;
  /** Resolves with the first answer, good or not. */
  first: Promise<void>;
}

export class DnsDiscovery {
  /** By key: what compile() takes. */
  readonly answers = new Map<string, DnsAnswer>();
  readonly #onChange: () => void;
  readonly #lookUp: Lookup;
  readonly #onTrouble: (message: string) => void;
  readonly #onLookup: NonNullable<DnsOptions['onLookup']>;
  readonly #firstAnswerMs: number;
  readonly #watches = new Map<string, Watch>();

  /** onChange: an answer changed after its first one. */
  constructor(onChange: () => void, options: DnsOptions = {}) {
    this.#onChange = onChange;
    this.#lookUp = options.lookUp ?? lookUp;
    this.#onTrouble = options.onTrouble ?? (() => {});
    this.#onLookup = options.onLookup ?? (() => {});
    this.#firstAnswerMs = options.firstAnswerMs ?? FIRST_ANSWER_MS;
  }

  /** Looks up exactly these from now on; resolves when each has had its first answer, or time is up. */
  async watch(questions: ReadonlyMap<string, DnsQuestion>): Promise<void> {
    for (const [key, watch] of this.#watches) if (!questions.has(key)) this.#end(watch);
    for (const [key, question] of questions) {
      const watch = this.#watches.get(key);
      if (watch === undefined) this.#begin(key, question);
      else if (watch.question.refreshMs !== question.refreshMs || watch.question.respectsTtl !== question.respectsTtl) {
        watch.question = question;
        // Asked for at the old pace: the next answer is due by the new one.
        if (watch.timer !== null) this.#schedule(watch, question.refreshMs);
      }
    }
    const unanswered = [...this.#watches.values()].filter(({ key }) => !this.answers.has(key));
    if (unanswered.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const isLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#firstAnswerMs);
    });
    await Promise.race([Promise.all(unanswered.map(({ first }) => first)), isLate]);
    clearTimeout(timer);
    for (const { key, question, isOver } of unanswered) {
      if (isOver || this.answers.has(key)) continue;
      this.answers.set(key, { addresses: [], failed: true });
      this.#onTrouble(`${question.host}: no answer from DNS yet, its endpoints are missing until there is one`);
    }
  }

  #begin(key: string, question: DnsQuestion): void {
    const watch: Watch = { key, question, timer: null, isOver: false, first: Promise.resolve() };
    this.#watches.set(key, watch);
    watch.first = this.#ask(watch);
  }

  #end(watch: Watch): void {
    watch.isOver = true;
    if (watch.timer !== null) clearTimeout(watch.timer);
    this.#watches.delete(watch.key);
    this.answers.delete(watch.key);
  }

  async #ask(watch: Watch): Promise<void> {
    const { host, family, respectsTtl } = watch.question;
    let found: readonly FoundAddress[] = [];
    let reason = 'no addresses';
    let isAnswered = true;
    this.#onLookup(watch.key, 'attempt');
    try {
      found = await this.#lookUp(host, family, respectsTtl === true);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      isAnswered = NOTHING_THERE.has((error as NodeJS.ErrnoException | null)?.code ?? '');
    }
    if (watch.isOver) return;
    const before = this.answers.get(watch.key);
    const addresses = chooseAddresses(found, family, before?.addresses[0] ?? '');
    const failed = addresses.length === 0;
    this.#onLookup(watch.key, failed ? (isAnswered ? 'empty' : 'failure') : 'success');
    // The last good list stays: a resolver's outage is no reason to drop endpoints that work.
    const answer = { addresses: failed ? (before?.addresses ?? []) : addresses, failed };
    this.answers.set(watch.key, answer);
    if (failed && before?.failed !== true) this.#onTrouble(`${host}: ${reason}; ${stays(answer.addresses.length)}`);
    else if (!failed && before?.failed === true) this.#onTrouble(`${host}: found again`);
    this.#schedule(watch, failed ? watch.question.refreshMs : refreshOf(watch.question, found));
    if (before !== undefined && isOtherAnswer(before, answer)) this.#onChange();
  }

  #schedule(watch: Watch, waitMs: number): void {
    if (watch.timer !== null) clearTimeout(watch.timer);
    const late = Math.min(waitMs * (1 + Math.random() * JITTER), WAIT_MAX_MS);
    watch.timer = setTimeout(() => {
      watch.timer = null;
      void this.#ask(watch);
    }, late);
    watch.timer.unref();
  }

  stop(): void {
    for (const watch of [...this.#watches.values()]) this.#end(watch);
  }
}

function stays(count: number): string {
  return count === 0 ? 'it has no endpoints' : `its ${count} endpoints stay`;
}

/** A plan hangs on the addresses, and on a failure only when there are none. */
function isOtherAnswer(before: DnsAnswer, after: DnsAnswer): boolean {
  return (
    before.addresses.join() !== after.addresses.join() ||
    (after.addresses.length === 0 && before.failed !== after.failed)
  );
}

function refreshOf(question: DnsQuestion, found: readonly FoundAddress[]): number {
  if (question.respectsTtl !== true || found.some(({ ttlMs }) => ttlMs === undefined)) return question.refreshMs;
  return Math.max(TTL_MIN_MS, Math.min(...found.map(({ ttlMs }) => ttlMs as number)));
}

/**
 * The addresses of the wanted families: AUTO is IPv6 when there is any that can be reached, else IPv4 (Envoy asks in
 * this order). `first`, if still there, stays in front, the others are sorted: an order that rotates is no change.
 */
export function chooseAddresses(
  found: readonly FoundAddress[],
  family: DnsFamily,
  first: string,
  canReach: (address: string) => boolean = canReachV6,
): string[] {
  const four = found.filter((each) => each.family === 4).map(({ address }) => address);
  const six = found.filter((each) => each.family === 6).map(({ address }) => address);
  let list: string[];
  if (family === 'V4_ONLY') list = four;
  else if (family === 'V6_ONLY') list = six;
  else if (family === 'V4_PREFERRED') list = four.length > 0 ? four : six;
  else if (family === 'ALL') list = found.map(({ address }) => address);
  else {
    const reachable = four.length === 0 ? six : six.filter(canReach);
    list = reachable.length > 0 ? reachable : four;
  }
  const front = list.includes(first) ? first : list[0];
  const rest = [...new Set(list)].filter((address) => address !== front).sort();
  return front === undefined ? [] : [front, ...rest];
}

/** A machine without an IPv6 address of its own reaches none: a container's usual state, whatever DNS says. */
function canReachV6(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const six = own.filter((each) => each.family === 'IPv6');
  if (address === '::1') return six.some((each) => each.internal);
  return six.some((each) => !each.internal && !each.address.startsWith('fe80:'));
}
