/** Style of the report: light and dark by what the reader's system says, one column on a phone. */
const LIGHT = [
  '#1d4ed8',
  '#c2410c',
  '#047857',
  '#be185d',
  '#7c3aed',
  '#0e7490',
  '#a16207',
  '#4d7c0f',
  '#b91c1c',
  '#475569',
  '#a21caf',
  '#78350f',
  '#0284c7',
  '#111827',
];
const DARK = [
  '#7aa7ff',
  '#fb923c',
  '#34d399',
  '#f472b6',
  '#b79bff',
  '#3fc8e4',
  '#e3b341',
  '#a3d65c',
  '#f87171',
  '#a5b1c2',
  '#f0abfc',
  '#c89b6d',
  '#bae6fd',
  '#ffffff',
];

function series(colours: readonly string[]): string {
  return colours.map((each, index) => `--series-${index}:${each};`).join('');
}

export const STYLE = `
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#161b26;--soft:#5a6578;--edge:#dfe3ea;--grid:#e6e9ef;--accent:#1d4ed8;--good:#047857;--bad:#b91c1c;${series(LIGHT)}}
@media (prefers-color-scheme:dark){:root{--ground:#0e1218;--card:#161c25;--ink:#e8ecf3;--soft:#9aa7b8;--edge:#28313e;--grid:#242d3a;--accent:#7aa7ff;--good:#34d399;--bad:#f87171;${series(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:1.7rem;margin:0;letter-spacing:-.02em}
h2{font-size:1.3rem;margin:44px 0 4px;letter-spacing:-.01em}
h3{font-size:1rem;margin:0}
p{margin:6px 0}
.hint,.meta,.legend,figcaption,.question{color:var(--soft)}
.hint,.meta{font-size:.86rem;overflow-wrap:anywhere}
.meta code{font-size:.85rem;background:var(--card);border:1px solid var(--edge);border-radius:6px;padding:1px 6px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:22px 0 0}
.tile,.card{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:14px 16px}
.tile b{display:block;font-size:1.75rem;line-height:1.15;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:.86rem}
.card{margin:14px 0;padding:18px 20px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:14px}
.pair .card{margin:0}
.bars ul{list-style:none;margin:10px 0 0;padding:0}
.bars li{display:grid;grid-template-columns:minmax(108px,30%) 1fr auto;gap:10px;align-items:center;padding:3px 0;font-size:.9rem}
.bars .name{overflow-wrap:anywhere;line-height:1.25}
.bars .number{font-variant-numeric:tabular-nums;white-space:nowrap;min-width:4.5em;text-align:right}
.track{position:relative;height:14px;background:var(--grid);border-radius:4px}
.track i{position:absolute;inset:0 auto 0 0;border-radius:4px;min-width:2px}
.track s{position:absolute;top:6px;height:2px;background:var(--ink);opacity:.55}
.strong .name,.strong .number{font-weight:650}
.plot{margin:14px 0 6px}
svg text{fill:var(--soft);font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
svg.for-wide,svg.for-narrow{display:block;width:100%;height:auto}
svg.for-narrow{display:none}
.grid{stroke:var(--grid);stroke-width:1;fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.strong{stroke-width:3.5}
.spread{display:inline-block;vertical-align:middle}
.spread path{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 2;opacity:.6}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.88rem;margin-top:8px}
.key{white-space:nowrap}
.key i,th i.key-dot{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
.winner{margin:12px 0 2px;padding:9px 12px;border-left:3px solid var(--good);background:color-mix(in srgb,var(--good) 9%,transparent);border-radius:0 8px 8px 0}
.wide{overflow-x:auto;margin-top:10px}
table{border-collapse:collapse;font-size:.88rem;min-width:100%}
th,td{padding:5px 10px;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;border-bottom:1px solid var(--edge)}
thead th{color:var(--soft);font-weight:500}
th[scope=row]{text-align:left;font-weight:500;position:sticky;left:0;background:var(--card)}
.dotted{display:flex;align-items:baseline}
.dotted i{flex:none}
tr:last-child>*{border-bottom:0}
.best{color:var(--good);font-weight:650}
.met::before{content:"✓ ";color:var(--good)}
.missed::before{content:"✗ ";color:var(--bad)}
.skipped::before{content:"– ";color:var(--soft)}
.checks{list-style:none;padding:0;margin:8px 0;font-size:.88rem}
.checks li{padding:2px 0;overflow-wrap:anywhere}
details summary{cursor:pointer;color:var(--soft)}
@media (max-width:640px){main{padding:20px 12px 40px}.pair{grid-template-columns:1fr}.card{padding:14px 12px}svg.for-wide{display:none}svg.for-narrow{display:block}.tile b{font-size:1.45rem}.tiles{grid-template-columns:1fr 1fr}.bars li{grid-template-columns:1fr auto;gap:2px 10px}.bars .track{grid-row:2;grid-column:1/3}table{font-size:.82rem}th,td{padding:5px 6px}th[scope=row]{white-space:normal;min-width:112px;line-height:1.25;padding-left:0}}
@media print{body{background:#fff}.card,.tile{break-inside:avoid}}
`;
