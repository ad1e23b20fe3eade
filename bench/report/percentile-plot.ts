/** PercentilePlot: latency over percentiles as SVG: nines to the right, milliseconds upwards, both logarithmic. */
import type { PercentilePoint } from '../latencies.js';
import { figure } from '../terminal/table.js';
import { at, escaped } from './markup.js';

export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly PercentilePoint[];
  readonly isStrong?: boolean;
}

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}
/** Two drawings, of which style.ts shows the one that fits: text that shrinks with a picture can't be read on a phone. */
const WIDE: Frame = { width: 760, height: 340, left: 52, right: 14, top: 12, bottom: 34 };
const NARROW: Frame = { width: 340, height: 300, left: 42, right: 10, top: 10, bottom: 32 };
const TICKS = ['0 %', '90 %', '99 %', '99.9 %', '99.99 %', '99.999 %'];

export function percentilePlot(title: string, series: readonly Series[]): string {
  const filled = series.filter(({ points }) => points.length > 0);
  if (filled.length === 0) return '';
  const legend = filled
    .map(
      ({ name, colour, isStrong }) =>
        `<span class="key"><i style="background:${colour}"></i>${isStrong === true ? `<b>${escaped(name)}</b>` : escaped(name)}</span>`,
    )
    .join('');
  return `<figure class="plot">${draw(title, filled, WIDE, 'for-wide')}${draw(title, filled, NARROW, 'for-narrow')}<figcaption class="legend">${legend}</figcaption></figure>`;
}

function nines(percentile: number): number {
  return -Math.log10(1 - percentile / 100);
}

class Scale {
  readonly #frame: Frame;
  readonly #ninesMax: number;
  readonly #low: number;
  readonly #high: number;

  constructor(series: readonly Series[], frame: Frame) {
    this.#frame = frame;
    this.#ninesMax = Math.max(1, ...series.flatMap(({ points }) => points.map(({ percentile }) => nines(percentile))));
    // The fastest tenth would stretch the axis and says little.
    const shown = series.flatMap(({ points }) =>
      points.filter(({ percentile }) => percentile >= 10).map(({ ms }) => ms),
    );
    this.#low = Math.max(0.001, Math.min(...shown)) / 1.1;
    this.#high = Math.max(...shown, this.#low * 4) * 1.1;
  }

  x(percentile: number): number {
    const { width, left, right } = this.#frame;
    return left + (nines(percentile) / this.#ninesMax) * (width - left - right);
  }
  y(ms: number): number {
    const { height, top, bottom } = this.#frame;
    const share = Math.log(Math.max(ms, this.#low) / this.#low) / Math.log(this.#high / this.#low);
    return height - bottom - share * (height - top - bottom);
  }

  get xTicks(): { readonly text: string; readonly x: number }[] {
    return TICKS.slice(0, Math.floor(this.#ninesMax) + 1).map((text, index) => ({
      text,
      x: this.x(100 * (1 - 10 ** -index)),
    }));
  }
  /** 1, 2, 5, 10 ... or only powers of ten where these are many. */
  get yTicks(): number[] {
    const decades = Math.log10(this.#high / this.#low);
    const steps = decades > 3 ? [1] : decades > 1.6 ? [1, 3] : [1, 2, 5];
    const ticks: number[] = [];
    for (let power = -3; power <= 5; power++)
      for (const step of steps) {
        const ms = step * 10 ** power;
        if (ms >= this.#low && ms <= this.#high) ticks.push(ms);
      }
    return ticks;
  }
}

function draw(title: string, series: readonly Series[], frame: Frame, className: string): string {
  const scale = new Scale(series, frame);
  const { width, height, left, right, top, bottom } = frame;
  const vertical = scale.xTicks.map(
    ({ text, x }, index) =>
      `<path class="grid" d="M${at(x)} ${top}V${height - bottom}"/><text x="${at(x)}" y="${height - bottom + 16}" text-anchor="${index === 0 ? 'start' : 'middle'}">${text}</text>`,
  );
  const horizontal = scale.yTicks.map((ms) => {
    const y = at(scale.y(ms));
    return `<path class="grid" d="M${left} ${y}H${width - right}"/><text x="${left - 6}" y="${y}" dy=".32em" text-anchor="end">${Number(ms.toPrecision(2))}</text>`;
  });
  const lines = series.map(({ name, colour, points, isStrong }) => {
    const shown = points.filter(({ percentile }) => percentile === 0 || percentile < 100);
    const path = shown
      .map(({ percentile, ms }, index) => `${index === 0 ? 'M' : 'L'}${at(scale.x(percentile))} ${at(scale.y(ms))}`)
      .join('');
    const p99 = points.findLast(({ percentile }) => percentile <= 99.001)?.ms ?? 0;
    return `<path class="line${isStrong === true ? ' strong' : ''}" style="stroke:${colour}" d="${path}"><title>${escaped(name)}: p99 ${figure(p99)} ms</title></path>`;
  });
  return `<svg class="${className}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">${vertical.join('')}${horizontal.join('')}${lines.join('')}<text class="unit" x="${left}" y="${height - 3}">percentile</text><text class="unit" x="${left + 4}" y="${top + 10}">ms</text></svg>`;
}
