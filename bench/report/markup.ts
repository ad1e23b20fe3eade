/** Markup: text made safe for HTML and SVG. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** A name that may be broken behind its underscores, where there is no room. */
export function breakable(text: string): string {
  return escaped(text).replaceAll('_', '_<wbr>');
}

/** A coordinate: a tenth of a pixel is enough, and keeps the file small. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Colours of series in the order in which they are given out; style.ts has them for light and for dark. */
export const COLOURS = 14;
export function colour(index: number): string {
  return `var(--series-${index % COLOURS})`;
}

export function tableMarkup(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string): string =>
    `<tr>${row.map((cell, index) => (index === 0 ? `<th scope="row">${cell}</th>` : `<${tag}>${cell}</${tag}>`)).join('')}</tr>`;
  return `<div class="wide"><table><thead>${cells(head, 'th')}</thead><tbody>${rows.map((row) => cells(row, 'td')).join('')}</tbody></table></div>`;
}
