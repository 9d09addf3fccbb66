/** `npm run zoo`: says of every broken store which case killed it. Exit code 1 when one lives, or a correct store dies. */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { levels } from '@balsa/test-suite';
import { zooPage } from '@balsa/test-suite/zoo';
import { families } from './families.ts';
import { visit } from './visit.ts';

const page = new URL('../../../docs/zoo.md', import.meta.url);

const usage = `usage: npm run zoo -- [--family NAME]... [--full | --write | --check]

Runs each broken store against the case that names its bug, and the correct stores against every case.
  --family NAME  only this family (${families.map(({ name }) => name).join(', ')}); may be repeated
  --full         also says how many other cases kill each
  --write        the same, and writes docs/zoo.md
  --check        the same, and fails when docs/zoo.md is out of date
  --help         this
Exit codes: 0 all as it should be, 1 a broken store lives, a correct one dies or a family cannot be run, 2 wrong usage.
`;

function wanted(): {
  readonly names: readonly string[];
  readonly mode: 'short' | 'full' | 'write' | 'check' | 'help';
} {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      family: { type: 'string', multiple: true },
      full: { type: 'boolean' },
      write: { type: 'boolean' },
      check: { type: 'boolean' },
    },
  });
  const { family = [], full, write, check, help } = values;
  if (help === true) return { names: [], mode: 'help' };
  const strange = family.filter((name) => !families.some((one) => one.name === name));
  if (strange.length > 0) throw new TypeError(`there is no family ${strange.join(', ')}`);
  if (family.length > 0 && (write === true || check === true))
    throw new TypeError('the page is of all families: leave --family out');
  return {
    names: family,
    mode: write === true ? 'write' : check === true ? 'check' : full === true ? 'full' : 'short',
  };
}

async function main(): Promise<number> {
  let choice;
  try {
    choice = wanted();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  const { names, mode } = choice;
  if (mode === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  const chosen = families.filter(({ name }) => names.length === 0 || names.includes(name));
  const write = (text: string): void => void process.stdout.write(text);
  const visits = [];
  for (const family of chosen) visits.push(await visit(family, { full: mode !== 'short', levels, write }));
  const failures = visits.reduce((sum, one) => sum + one.failures, 0);
  const count = visits.reduce((sum, one) => sum + one.page.rows.length, 0);
  write(`${String(count)} broken stores, ${String(failures)} not as they should be\n`);
  if (failures > 0) return 1;
  if (mode !== 'write' && mode !== 'check') return 0;
  const text = zooPage(visits.map((one) => one.page));
  if (mode === 'write') await writeFile(page, text);
  else if (!(await isUpToDate(text))) {
    write('docs/zoo.md is out of date: run npm run zoo -- --write\n');
    return 1;
  }
  return 0;
}

/** The formatter pads the columns. */
async function isUpToDate(text: string): Promise<boolean> {
  const plain = (padded: string): string => padded.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---');
  return plain(await readFile(page, 'utf8').catch(() => '')) === plain(text);
}

process.exitCode = await main();
