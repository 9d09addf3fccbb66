/** The report as one page that needs nothing else: style, tables and drawings are inside. */
import { columnsOf } from '../columns.ts';
import { bytesText, short } from '../format.ts';
import { headings } from '../headings.ts';
import type { BenchReport, Cell, Row } from '../report.ts';
import { rowName } from '../table.ts';
import { plotsOf, type Plot } from './plots.ts';
import { styleSheet } from './theme.ts';

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function tableOf(head: readonly string[], rows: readonly string[]): string {
  return `<div class="scroll"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function cellHtml(cell: Cell): string {
  const columns = columnsOf(cell.workload).filter(({ text }) => cell.rows.some((row) => text(row) !== '-'));
  const head = [
    '<th></th>',
    ...columns.map(({ heading, meaning }) => `<th title="${escape(meaning)}">${escape(heading)}</th>`),
  ];
  const row = (one: Row): string => {
    const cells =
      Object.keys(one.metrics).length === 0
        ? `<td class="text" colspan="${columns.length}">${escape(one.note ?? 'no figure')}</td>`
        : columns.map(({ text }) => `<td>${escape(text(one))}</td>`).join('');
    const note =
      one.note !== undefined && Object.keys(one.metrics).length > 0 ? ` title="${escape(one.note)}"` : '';
    return `<tr class="${one.kind}"${note}><td>${escape(rowName(one))}</td>${cells}</tr>`;
  };
  return `<h3>${escape(cell.title)}</h3>${tableOf(head, cell.rows.map(row))}`;
}

function legendHtml(workload: string): string {
  const items = columnsOf(workload).map(
    ({ heading, meaning }) => `<dt>${escape(heading)}</dt><dd>${escape(meaning)}</dd>`,
  );
  return `<details><summary>What the columns mean</summary><dl>${items.join('')}</dl></details>`;
}

function plotHtml({ title, caption, svg }: Plot): string {
  const named = svg.replace('<svg ', `<svg role="img" aria-label="${escape(title)}" `);
  return `<figure><h3>${escape(title)}</h3>${named}<figcaption>${escape(caption)}</figcaption></figure>`;
}

function sectionHtml(workload: string, cells: readonly Cell[], plots: readonly Plot[]): string {
  const [title, text] = headings[workload] ?? [workload, ''];
  return [
    `<h2 id="${escape(workload)}">${escape(title)}</h2><p>${escape(text)}</p>`,
    ...plots.map(plotHtml),
    ...cells.map(cellHtml),
    legendHtml(workload),
  ].join('');
}

function machineHtml({ machine, settings, mode, startedAt, seconds }: BenchReport): string {
  const facts: readonly (readonly [string, string])[] = [
    ['Machine', `${machine.cpu}, ${machine.cores} cores, ${bytesText(machine.memoryBytes)}`],
    ['System', `${machine.platform}, kernel ${machine.kernel}, Node ${machine.node}`],
    ['Disk', `${machine.directory} on ${machine.device} (${machine.fileSystem}, ${machine.mountOptions})`],
    ['Write cache', machine.writeCache],
    ['Load', `${machine.loadBefore.toFixed(2)} before, ${machine.loadAfter.toFixed(2)} after`],
    [
      'Run',
      `${mode}, ${settings.rounds} rounds of ${settings.sliceMs} ms, ${settings.payload} payloads, ${Math.round(seconds)} s`,
    ],
    ['Begun', `${startedAt}, commit ${machine.commit}`],
  ];
  return `<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escape(value)}</dd>`).join('')}</dl>`;
}

function storesHtml({ stores }: BenchReport): string {
  const rows = stores.map(({ label, engine, engineVersion, status, reason }) => {
    const good = status === 'durable' ? 'yes' : status === 'refused' || status === 'unavailable' ? 'no' : '';
    const version = engine === null ? '' : `${engine} ${engineVersion ?? ''}`;
    return `<tr><td>${escape(label)}</td><td class="text">${escape(version)}</td><td class="text"><span class="${good}">${status}</span></td><td class="text">${escape(reason)}</td></tr>`;
  });
  const head = [
    '<th>Store</th>',
    '<th class="text">Engine</th>',
    '<th class="text">Verdict</th>',
    '<th class="text">Why</th>',
  ];
  return `<h2 id="stores">Who takes part</h2><p>Every store was watched from outside while it acknowledged writes. One that acknowledges before it syncs gets no number.</p>${tableOf(head, rows)}`;
}

function barsHtml({ bars, profiles }: BenchReport): string {
  if (bars.length === 0) return '';
  const rows = bars.map(({ text, measured, met, bare }) => {
    const verdict =
      met === null ? 'not measured' : met ? '<span class="yes">met</span>' : '<span class="no">missed</span>';
    return `<tr><td class="text">${escape(text)}</td><td>${short(measured)}</td><td>${bare === null ? '' : short(bare)}</td><td>${verdict}</td></tr>`;
  });
  const where = profiles.map(({ label, cell, functions, figures = [] }) => {
    const items = functions.map(
      ({ name, share }) => `<tr><td>${escape(name)}</td><td>${(share * 100).toFixed(1)} %</td></tr>`,
    );
    const costs = figures.map(({ name, value }) => `${short(value)} ${escape(name)}`);
    const summary = costs.length === 0 ? '' : `<p>${costs.join('; ')}.</p>`;
    return `<h3>Where the time goes: ${escape(label)}, ${escape(cell)}</h3>${summary}${tableOf(['<th>Function or part, itself</th>', '<th>Share</th>'], items)}`;
  });
  return `<h2 id="bars">What the adapters are held to</h2>${tableOf(['<th>Bar</th>', '<th>Measured</th>', '<th>Bare</th>', '<th></th>'], rows)}${where.join('')}`;
}

export function reportPage(report: BenchReport): string {
  const plots = plotsOf(report);
  const workloads = [...new Set(report.cells.map(({ workload }) => workload))];
  const links = [
    ['stores', 'Who takes part'] as const,
    ...workloads.map((name) => [name, headings[name]?.[0] ?? name] as const),
    ...(report.bars.length > 0 ? [['bars', 'What they are held to'] as const] : []),
  ];
  const warnings = [...report.warnings, ...(report.complete ? [] : ['The run was stopped before its end.'])];
  const sections = workloads.map((name) =>
    sectionHtml(
      name,
      report.cells.filter(({ workload }) => workload === name),
      plots.filter(({ workload }) => workload === name),
    ),
  );
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">',
    `<title>Balsa benchmark</title><style>${styleSheet}</style></head><body><main>`,
    '<h1>Balsa benchmark</h1><p>Stores for Raft logs against the raw disk of the same minute.</p>',
    ...warnings.map((text) => `<p class="warning">${escape(text)}</p>`),
    `<nav>${links.map(([id, text]) => `<a href="#${id}">${escape(text)}</a>`).join('')}</nav>`,
    machineHtml(report),
    storesHtml(report),
    ...sections,
    barsHtml(report),
    '</main></body></html>\n',
  ].join('');
}
