/** DNS discovery: looks names up now and then, keeps the last good answer, tells of changes. */
import { lookup } from 'node:dns/promises';

export interface DnsQuestion {
  readonly host: string;
  readonly family: 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';
  readonly refreshMs: number;
}
export interface DnsAnswer {
  readonly addresses: readonly string[];
  readonly failed: boolean;
}
export type Lookup = (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

const systemLookup: Lookup = (host) => lookup(host, { all: true, verbatim: true });

export class DnsDiscovery {
  /** By key: what compile() takes. */
  readonly answers = new Map<string, DnsAnswer>();
  readonly #onChange: () => void;
  readonly #lookup: Lookup;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #isStopped = false;

  /** onChange: an answer changed after its first one. */
  constructor(onChange: () => void, lookUp: Lookup = systemLookup) {
    this.#onChange = onChange;
    this.#lookup = lookUp;
  }

  /** Looks up exactly these from now on; resolves when each has had its first answer. */
  async watch(questions: ReadonlyMap<string, DnsQuestion>): Promise<void> {
    for (const [key, timer] of this.#timers)
      if (!questions.has(key)) {
        clearTimeout(timer);
        this.#timers.delete(key);
        this.answers.delete(key);
      }
    const first = [...questions].filter(([key]) => !this.answers.has(key));
    await Promise.all(first.map(([key, question]) => this.#ask(key, question)));
  }

  async #ask(key: string, question: DnsQuestion): Promise<void> {
    const before = this.answers.get(key);
    let answer: DnsAnswer;
    try {
      answer = { addresses: choose(await this.#lookup(question.host), question.family), failed: false };
    } catch {
      // The last good list stays: a resolver's outage is no reason to drop endpoints that work.
      answer = { addresses: before?.addresses ?? [], failed: true };
    }
    if (this.#isStopped) return;
    this.answers.set(key, answer);
    // Up to 10 % later, so that many names are not asked for at once for ever.
    const wait = question.refreshMs * (1 + Math.random() * 0.1);
    const timer = setTimeout(() => void this.#ask(key, question), wait);
    timer.unref();
    this.#timers.set(key, timer);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(answer)) this.#onChange();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}

/** Envoy's AUTO: IPv6 when there is any, else IPv4. Sorted, so that an order that rotates is no change. */
function choose(
  found: readonly { readonly address: string; readonly family: number }[],
  family: DnsQuestion['family'],
): string[] {
  const of = (wanted: number): string[] => found.filter((each) => each.family === wanted).map((each) => each.address);
  const unique = (list: string[]): string[] => [...new Set(list)].sort();
  switch (family) {
    case 'V4_ONLY':
      return unique(of(4));
    case 'V6_ONLY':
      return unique(of(6));
    case 'V4_PREFERRED':
      return unique(of(4).length > 0 ? of(4) : of(6));
    case 'ALL':
      return unique(found.map((each) => each.address));
    default:
      return unique(of(6).length > 0 ? of(6) : of(4));
  }
}
