/** MemoryWatch: resident memory of a proxy while it is attacked: how much more than before, and whether it keeps growing. */
import type { ProxyProcess } from '../../test/support/proxy-process.js';
import { residentKiB } from '../proxy-memory.js';

const LOOK_MS = 250;
const KIB = 1024;
/** What four clients can make us hold in windows and heads that wait, and what V8 compiles meanwhile. */
const PEAK_MAX_MIB = 64;
/** Flat: the second half of the attack needs no more than the first, but for noise. */
const GROWTH_MAX_MIB = 8;

export class MemoryWatch {
  readonly #proxy: ProxyProcess;
  readonly #beforeKiB: number;
  readonly #samplesKiB: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(proxy: ProxyProcess) {
    this.#proxy = proxy;
    this.#beforeKiB = residentKiB(proxy);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    this.#samplesKiB.push(residentKiB(this.#proxy));
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#look();
  }

  /** Peak of the attack over what was there before it. */
  get peakMiB(): number {
    return (Math.max(...this.#samplesKiB) - this.#beforeKiB) / KIB;
  }

  /** Peak of its second half over that of its first. */
  get growthMiB(): number {
    const middle = this.#samplesKiB.length >> 1;
    return (Math.max(...this.#samplesKiB.slice(middle)) - Math.max(...this.#samplesKiB.slice(0, middle))) / KIB;
  }

  get isFlat(): boolean {
    return this.peakMiB <= PEAK_MAX_MIB && this.growthMiB <= GROWTH_MAX_MIB;
  }
}
