/** `npm run zoo`: says of every broken store which case killed it. Exit code 1 when one lives, or a correct store dies. */
import { readFile, writeFile } from 'node:fs/promises';
import { levels } from '../target.ts';
import { zooPage, type Killed } from './page.ts';
import { allKillers, correctStores, judge, zoo } from './zoo.ts';

/** The rare bugs want more histories than the default, which is for stores on real disks. */
const histories = { runs: 100 };
const inFull = { runs: 20 };
const everyLevel = { runs: 20, levels };

const page = new URL('../../../docs/zoo.md', import.meta.url);
const flags = new Set(process.argv.slice(2));
const unknown = [...flags].filter((flag) => !['--full', '--write', '--check'].includes(flag));

async function main(): Promise<number> {
  if (unknown.length > 0) {
    process.stdout.write(`unknown option ${unknown.join(', ')}; there are --full, --write and --check\n`);
    return 2;
  }
  const full = flags.has('--full') || flags.has('--write') || flags.has('--check');
  let failures = 0;
  const rows: Killed[] = [];
  for (const animal of zoo) {
    const verdict = await judge(animal.killer, animal.target, histories);
    if (verdict.status !== 'killed') failures++;
    const how = verdict.status === 'broke' ? `: ${verdict.reason}` : '';
    process.stdout.write(`${verdict.status.padEnd(9)}${animal.killer.padEnd(48)} ${animal.bug}${how}\n`);
    if (!full) continue;
    const killers = await allKillers(animal.target, inFull);
    process.stdout.write(`         ${String(killers.length)} cases kill it\n`);
    rows.push({ animal, killers });
  }
  for (const target of correctStores) {
    const killers = await allKillers(target, everyLevel);
    if (killers.length > 0) failures++;
    process.stdout.write(
      `${killers.length === 0 ? 'lives' : 'KILLED'}    ${target.name} ${killers.join(' ')}\n`,
    );
  }
  process.stdout.write(`${String(zoo.length)} broken stores, ${String(failures)} not as they should be\n`);
  return failures > 0 || !(await settlePage(rows)) ? 1 : 0;
}

/** Writes the page, or compares it with what it would be; false when it is out of date. */
async function settlePage(rows: readonly Killed[]): Promise<boolean> {
  if (!flags.has('--write') && !flags.has('--check')) return true;
  const text = zooPage(
    rows,
    correctStores.map(({ name }) => name),
  );
  if (flags.has('--write')) {
    await writeFile(page, text);
    return true;
  }
  // The formatter pads the columns.
  const plain = (padded: string): string => padded.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---');
  const same = plain(await readFile(page, 'utf8').catch(() => '')) === plain(text);
  if (!same) process.stdout.write('docs/zoo.md is out of date: run npm run zoo -- --write\n');
  return same;
}

process.exitCode = await main();
