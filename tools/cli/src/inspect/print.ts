/** What an inspection says to people: at most a hundred characters wide, the same in a pipe. */
import Table from 'cli-table3';
import { formatBytes, noFrame } from '../start/table.ts';
import { mostListed } from './look.ts';
import type {
  EntriesReport,
  EntryReport,
  GroupReport,
  NodeReport,
  ProblemReport,
  SnapshotReport,
} from './report.ts';

type Write = (text: string) => void;

const width = 100;
const label = 14;
/** Terms shown: the newest ones. */
const mostTerms = 6;

export function printNode(node: NodeReport, out: Write): void {
  const write: Write = (text) => {
    out(plain(text));
  };
  const { identity, engineVersion } = node;
  const whose =
    identity === undefined ? 'of nobody yet' : `node ${identity.nodeId} of cluster ${identity.clusterId}`;
  write(`${node.name}: ${engineVersion === undefined ? 'not opened' : whose}\n`);
  const lines: [string, string][] = [
    [
      'storage',
      `${node.storage}${engineVersion === undefined ? '' : ` ${engineVersion}`}, in ${node.directory}`,
    ],
  ];
  if (node.files > 0) lines.push(['on disk', `${formatBytes(node.bytes)} in ${several(node.files, 'file')}`]);
  if (identity !== undefined)
    lines.push([
      'incarnation',
      `${identity.incarnation}; entries of at most ${formatBytes(identity.maxEntryBytes)}`,
    ]);
  write(facts(lines));
  for (const group of node.groups) printGroup(group, write);
  if (node.stores.length > 0) printStores(node, write);
  write('\n');
  for (const note of node.notes) write(facts([['note', note]]));
  for (const problem of node.problems) printProblem(problem, write);
  if (engineVersion !== undefined) write(facts([['verdict', verdict(node)]]));
  write('\n');
}

function verdict({ verified, problems }: NodeReport): string {
  const wrong =
    problems.length === 0 ? 'nothing is wrong' : `${several(problems.length, 'problem')}, see above`;
  if (verified !== undefined) {
    const { entries, chunks, pairs } = verified;
    return `${wrong}; read and whole: ${several(entries, 'entry', 'entries')}, ${several(chunks, 'chunk')} of snapshots, ${several(pairs, 'pair')}`;
  }
  return problems.length === 0 ? `${wrong} with what was read; --verify reads all of it` : wrong;
}

function several(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

/** Names and messages come from the data: nothing in them may speak to the terminal. */
function plain(text: string): string {
  return text.replace(/[^\P{C}\n]/gu, '\u{fffd}');
}

export function printError(problem: ProblemReport, write: Write): void {
  write(plain(`balsa: ${problem.message} (${problem.code})\n  What to do: ${problem.remedy}\n`));
}

function printProblem({ code, message, remedy, where }: ProblemReport, write: Write): void {
  write(facts([['PROBLEM', `${where === undefined ? '' : `${where}: `}${message} (${code})`]]));
  write(facts([['', `What to do: ${remedy}`]]));
}

function printGroup(group: GroupReport, write: Write): void {
  const { log, members, addresses, applied } = group;
  write(`\n  group ${group.name}\n`);
  const lines: [string, string][] = [
    ['term', `${group.term}, ${group.vote === 0 ? 'no vote' : `voted for ${group.vote}`}`],
    ['commit', `${group.commit}${applied === undefined ? '' : `, applied ${applied}`}`],
    ['members', `${membership(members)} (since index ${members.index})`],
  ];
  if (addresses !== undefined) {
    const { members: known, removed, joined } = addresses;
    lines.push([
      'addresses',
      known.map(({ id, address }) => `${id} ${address}`).join(', ') || 'none recorded',
    ]);
    if (removed.length > 0) lines.push(['removed', `${removed.join(', ')}: these never come back`]);
    if (joined) lines.push(['joined', 'this node was started to join a cluster']);
  }
  const { boundary } = log;
  lines.push([
    'log',
    log.entries === 0
      ? `empty behind index ${boundary.index} of term ${boundary.term}`
      : `${log.firstIndex}..${log.lastIndex} (${several(log.entries, 'entry', 'entries')}) behind index ${boundary.index} of term ${boundary.term}`,
  ]);
  if (log.entries > 0) lines.push(['terms', terms(group)]);
  lines.push(['bytes', `${formatBytes(log.bytes)}, of them ${formatBytes(log.garbageBytes)} garbage`]);
  lines.push(['snapshots', group.snapshots.map(snapshot).join('; ') || 'none']);
  if (group.pendingRestore !== undefined)
    lines.push(['to restore', `${snapshot(group.pendingRestore)}: the node finishes this first`]);
  write(facts(lines));
  printEntries('membership changes in the log', group.changes, write);
  if (group.listed !== undefined) printListed(group.listed, group, write);
}

function membership(members: GroupReport['members']): string {
  const parts = [
    ['voters', members.voters],
    ['leaving voters', members.votersOutgoing],
    ['learners', members.learners],
    ['learners to be', members.learnersNext],
  ] as const;
  const joint =
    members.votersOutgoing.length > 0 ? `joint${members.autoLeave ? ', left by itself' : ''}: ` : '';
  const text = parts
    .flatMap(([what, ids]) => (ids.length === 0 ? [] : [`${what} ${ids.join(' ')}`]))
    .join(', ');
  return text === '' ? 'none' : `${joint}${text}`;
}

function terms({ log }: GroupReport): string {
  const shown = log.terms.slice(-mostTerms).map(({ term, index }) => `${term} from ${index}`);
  const hidden = log.terms.length - shown.length;
  return `${hidden > 0 ? `${hidden} earlier ones, ` : ''}${shown.join(', ')}`;
}

function snapshot({ index, term, bytes, chunks, origin }: SnapshotReport): string {
  return `index ${index} of term ${term}, ${formatBytes(bytes)} in ${several(chunks, 'chunk')}, ${origin}`;
}

function printListed({ entries, next, last }: EntriesReport, { log }: GroupReport, write: Write): void {
  if (entries.length === 0) {
    const has = log.entries === 0 ? 'is empty' : `has ${log.firstIndex}..${log.lastIndex}`;
    write(facts([['entries', `none of those asked for: the log ${has}`]]));
    return;
  }
  printEntries('entries', entries, write);
  if (next !== undefined)
    write(facts([['', `${mostListed} at a time: go on with --entries ${next}..${last}`]]));
}

function printEntries(title: string, entries: readonly EntryReport[], write: Write): void {
  if (entries.length === 0) return;
  const rows = entries.map(({ index, term, type, bytes, does }) => [index, term, type, bytes, does]);
  write(`\n    ${title}\n${table(['index', 'term', 'type', 'bytes', 'what it does'], rows)}`);
}

function printStores({ stores }: NodeReport, write: Write): void {
  const rows = stores.map(({ name, appliedIndex, pairs, bytes }) => [
    pairs,
    appliedIndex,
    formatBytes(bytes),
    name,
  ]);
  write(`\n  ordered stores\n${table(['pairs', 'applied', 'on disk', 'name'], rows)}`);
}

/** The last column is text and takes what is left; the others are numbers. */
function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const made = new Table({
    head: [...head],
    colAligns: head.map((name) => (name === 'type' || name === head.at(-1) ? 'left' : 'right')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    chars: { ...noFrame, middle: '  ' },
  });
  for (const row of rows) made.push([...row]);
  return made
    .toString()
    .split('\n')
    .map((line) => `${cut(`    ${line.trimEnd()}`)}\n`)
    .join('');
}

function cut(line: string): string {
  const characters = Array.from(line);
  return characters.length <= width ? line : `${characters.slice(0, width - 3).join('')}...`;
}

/** One fact a line, or more where it is long. */
function facts(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([name, text]) => `    ${name.padEnd(label)}${wrapped(text)}\n`).join('');
}

function wrapped(text: string): string {
  const room = width - label - 4;
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= room) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join(`\n${' '.repeat(label + 4)}`);
}
