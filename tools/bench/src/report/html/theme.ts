/** Colours of the page and of the plots: variables of the style sheet, so that one drawing serves light and dark. */

/** What the plotting library is given, and the variable that takes its place in the drawing. */
export const ink = '#010101';
export const muted = '#020202';
export const grid = '#030303';
export const paper = '#040404';

const stand: Readonly<Record<string, string>> = {
  [ink]: 'var(--ink)',
  [muted]: 'var(--muted)',
  [grid]: 'var(--grid)',
  [paper]: 'var(--paper)',
};

/** Of the rows, in their order. Those of floors are greys. */
const light = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#b8479b',
  '#8a6d00',
  '#5a51c9',
  '#a8323c',
  '#2a7f9e',
  '#7a4a2b',
  '#4f6b1d',
];
const dark = [
  '#56b4e9',
  '#f08a4b',
  '#3fcf9f',
  '#e08bc6',
  '#e0c04a',
  '#a49cf5',
  '#f07f88',
  '#7fc9e3',
  '#cfa27e',
  '#a9c97a',
];
const floorsLight = ['#666666', '#9a9a9a'];
const floorsDark = ['#a0a0a0', '#6f6f6f'];

export function rowColour(n: number): string {
  return `#0a0b${(n % light.length).toString(16).padStart(2, '0')}`;
}

export function floorColour(n: number): string {
  return `#0c0d${(n % floorsLight.length).toString(16).padStart(2, '0')}`;
}

/** Puts the variables into a drawing. */
export function themed(svg: string): string {
  return svg.replace(/#0[0-9a-f]{5}\b/g, (colour) => {
    const fixed = stand[colour];
    if (fixed !== undefined) return fixed;
    const n = Number.parseInt(colour.slice(5), 16);
    if (colour.startsWith('#0a0b')) return `var(--row-${n})`;
    return colour.startsWith('#0c0d') ? `var(--floor-${n})` : colour;
  });
}

function variables(rows: readonly string[], floors: readonly string[]): string {
  return [
    ...rows.map((colour, n) => `--row-${n}:${colour}`),
    ...floors.map((colour, n) => `--floor-${n}:${colour}`),
  ].join(';');
}

export const styleSheet: string = `
:root{color-scheme:light dark;--paper:#fff;--card:#f7f8fa;--ink:#1b1f24;--muted:#5b6470;--grid:#dfe3e8;--good:#0a7a4b;--bad:#b3261e;${variables(light, floorsLight)}}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026;--ink:#e8eaed;--muted:#9aa4b1;--grid:#323942;--good:#5fd39b;--bad:#ff8a80;${variables(dark, floorsDark)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.9rem;margin:0 0 .25rem;letter-spacing:-.01em}
h2{font-size:1.35rem;margin:3rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--grid)}
h3{font-size:1.02rem;margin:1.75rem 0 .4rem}
p,figcaption,dd{color:var(--muted);margin:.25rem 0 .75rem;max-width:75ch}
nav{margin:1rem 0;display:flex;flex-wrap:wrap;gap:.35rem 1.1rem}
a{color:var(--row-0)}
.warning{border-left:4px solid var(--bad);background:var(--card);padding:.6rem .9rem;margin:.75rem 0;color:var(--ink);max-width:none}
.scroll{overflow-x:auto;margin:.4rem 0 1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:60%}
th,td{padding:.28rem .65rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
th{font-weight:600;color:var(--muted);font-size:.86rem}
th[title]{cursor:help}
th:first-child,td:first-child{text-align:left}
td.text,th.text{text-align:left;white-space:normal;min-width:18ch}
tr.floor td{color:var(--muted)}
tr.bare td{font-style:italic}
.yes{color:var(--good);font-weight:600}.no{color:var(--bad);font-weight:600}
figure{margin:1.25rem 0;background:var(--card);border:1px solid var(--grid);border-radius:8px;padding:.9rem 1rem .6rem}
figure h3{margin-top:0}
figure svg{display:block;width:100%;height:auto}
figcaption{font-size:.92rem;margin:.3rem 0 .2rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.5rem 0}
dt{font-weight:600}dd{margin:0;max-width:none;overflow-wrap:anywhere}
`;
