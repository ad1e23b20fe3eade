/** BarList: one quantity of several things as bars with their numbers, which a narrow screen keeps readable. */
import { escaped } from './markup.js';

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly text: string;
  /** Smallest and largest round. */
  readonly range?: readonly [number, number];
  readonly colour: string;
  readonly isStrong?: boolean;
}

export function barList(title: string, hint: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value, range }) => range?.[1] ?? value), Number.MIN_VALUE);
  const percent = (value: number): string => `${((value / most) * 100).toFixed(1)}%`;
  const rows = bars.map(({ name, value, text, range, colour, isStrong }) => {
    const whisker =
      range === undefined || range[0] === range[1]
        ? ''
        : `<s style="left:${percent(range[0])};width:${percent(range[1] - range[0])}"></s>`;
    return `<li${isStrong === true ? ' class="strong"' : ''}><span class="name">${escaped(name)}</span><span class="track"><i style="width:${percent(value)};background:${colour}"></i>${whisker}</span><span class="number">${escaped(text)}</span></li>`;
  });
  return `<div class="bars"><h3>${escaped(title)}</h3><p class="hint">${escaped(hint)}</p><ul>${rows.join('')}</ul></div>`;
}

/** Requests of each backend as small columns, with a line where a fair share ends. */
export function spreadColumns(counts: readonly number[], colour: string): string {
  const width = 7;
  const height = 26;
  const fair = counts.reduce((sum, count) => sum + count, 0) / Math.max(1, counts.length);
  const most = Math.max(...counts, fair, 1);
  const columns = counts.map((count, index) => {
    const tall = Math.round((count / most) * height * 10) / 10;
    return `<rect x="${index * width}" y="${(height - tall).toFixed(1)}" width="${width - 2}" height="${tall}"><title>backend ${index + 1}: ${count}</title></rect>`;
  });
  const y = (height - (fair / most) * height).toFixed(1);
  const all = counts.length * width;
  return `<svg class="spread" width="${all}" height="${height}" viewBox="0 0 ${all} ${height}" role="img" aria-label="requests by backend" style="fill:${colour}">${columns.join('')}<path d="M0 ${y}H${all}"/></svg>`;
}
