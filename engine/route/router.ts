/** Router: request to route: virtual host by authority, then the first route in listed order that matches. */
import { isDigit } from '../base/ascii.js';
import type { Prng } from '../base/prng.js';
import type { ExchangeView } from '../format/exchange-view.js';
import type { RouteConfigRecord } from '../plan/records.js';
import type { CompiledRoute } from './compiled-route.js';
import { HeaderMutations } from '../format/header-mutations.js';
import { HostTable } from './host-table.js';
import { RequestDraw } from './predicate.js';
import { CompiledVirtualHost } from './virtual-host.js';

const COLON = 0x3a;
const encoder = new TextEncoder();

export class Router {
  readonly #hosts = new HostTable<CompiledVirtualHost>();
  readonly #ignoresPort: boolean;
  readonly #internalOnly: readonly Uint8Array[];
  readonly #draw: RequestDraw;

  constructor(record: RouteConfigRecord, random: Prng) {
    this.#ignoresPort = record.ignorePortInHostMatching;
    this.#internalOnly = record.internalOnlyHeaders.map((name) => encoder.encode(name.toLowerCase()));
    this.#draw = new RequestDraw(random);
    const mutations = new HeaderMutations(record.mutations);
    for (const host of record.virtualHosts) {
      const compiled = new CompiledVirtualHost(host, record, mutations, this.#draw);
      for (const domain of host.domains) this.#hosts.add(domain, compiled);
    }
  }

  /** Null: no virtual host, or none of its routes. */
  route(x: ExchangeView): CompiledRoute | null {
    const head = x.request;
    this.#draw.forget();
    // Before any route is held against them: what only internal callers may say must not steer those from outside.
    if (this.#internalOnly.length > 0 && !x.isInternal)
      for (let i = 0; i < this.#internalOnly.length; i++) head.removeAllByName(this.#internalOnly[i] as Uint8Array);
    const bytes = head.authorityBytes;
    const start = head.authorityFrom;
    let end = head.authorityTo;
    if (this.#ignoresPort) end = withoutPort(bytes, start, end);
    const host = this.#hosts.find(bytes, start, end);
    return host === null ? null : host.find(x);
  }
}

function withoutPort(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isDigit(bytes[at - 1] as number)) at--;
  return at > start && at < end && bytes[at - 1] === COLON ? at - 1 : end;
}
