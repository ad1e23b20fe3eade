/** Look-ups of names: by the system (hosts file, search domains), and by DNS alone where times to live are wanted. */
import { Resolver, lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';

export type DnsFamily = 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';

export interface FoundAddress {
  readonly address: string;
  readonly family: number;
  /** How long the answer holds; absent where the resolver does not say. */
  readonly ttlMs?: number;
}

/** Rejects when there is no answer; an empty list is none either. */
export type Lookup = (host: string, family: DnsFamily, respectsTtl: boolean) => Promise<readonly FoundAddress[]>;

/** One DNS server that is down costs this much, twice, before the next one is asked. */
const QUERY_TIMEOUT_MS = 2000;
const QUERY_TRIES = 2;
const HOSTS_PATH = process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts';

/** Answers that say "no such address", in contrast to "no answer". */
export const NOTHING_THERE: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);

export function lookUpBySystem(host: string, family: DnsFamily): Promise<readonly FoundAddress[]> {
  const wanted = family === 'V4_ONLY' ? 4 : family === 'V6_ONLY' ? 6 : 0;
  return lookup(host, { all: true, verbatim: true, family: wanted });
}

/** What a look-up with times to live needs; replaced by tests. */
export interface TtlSources {
  readonly resolver: Pick<Resolver, 'resolve4' | 'resolve6'>;
  readonly hostsPath: string;
  readonly bySystem: (host: string, family: DnsFamily) => Promise<readonly FoundAddress[]>;
}

function defaultSources(): TtlSources {
  return {
    resolver: new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES }),
    hostsPath: HOSTS_PATH,
    bySystem: lookUpBySystem,
  };
}

/** The system's answer has no times to live, so DNS is asked directly, unless the hosts file knows the name. */
export async function lookUpWithTtl(
  host: string,
  family: DnsFamily,
  sources: TtlSources = defaultSources(),
): Promise<readonly FoundAddress[]> {
  const { resolver, hostsPath, bySystem } = sources;
  if (await isInHosts(hostsPath, host)) return bySystem(host, family);
  const answers = await Promise.allSettled([
    family === 'V6_ONLY' ? [] : resolver.resolve4(host, { ttl: true }),
    family === 'V4_ONLY' ? [] : resolver.resolve6(host, { ttl: true }),
  ]);
  const found: FoundAddress[] = [];
  let isWhole = true;
  answers.forEach((answer, at) => {
    if (answer.status === 'fulfilled')
      for (const { address, ttl } of answer.value) found.push({ address, family: at === 0 ? 4 : 6, ttlMs: ttl * 1000 });
    else if (!NOTHING_THERE.has((answer.reason as NodeJS.ErrnoException).code ?? '')) isWhole = false;
  });
  // Half an answer would drop the endpoints of the other family; names of search domains only the system finds.
  return isWhole && found.length > 0 ? found : bySystem(host, family);
}

async function isInHosts(path: string, host: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return false;
  }
  const name = host.toLowerCase();
  return text.split('\n').some((line) => {
    const [, ...names] = (line.split('#')[0] as string).trim().toLowerCase().split(/\s+/);
    return names.includes(name);
  });
}

export const lookUp: Lookup = (host, family, respectsTtl) =>
  respectsTtl ? lookUpWithTtl(host, family) : lookUpBySystem(host, family);
