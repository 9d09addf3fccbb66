/** `npm run museum`: every exhibit is built into a copy and must be caught by the simulator. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { changedSources } from './copy.ts';
import { parseExhibit, type Exhibit } from './exhibit.ts';
import { Hunter } from './hunting.ts';
import { formatPage } from './page.ts';
import { mergeResults, patchDigest, readResults, type Outcome, type Results } from './results.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const place = path.join(root, 'tools/simulator/museum');
const resultsFile = path.join(root, 'docs/data/museum.json');
const pageFile = path.join(root, 'docs/museum.md');

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const command = new Command('npm run museum --')
  .description(
    'Builds each bug of tools/simulator/museum into a copy and runs the simulator on it until it is caught.\n' +
      'Ends with 1 unless all of those that were hunted are.',
  )
  .option('--only <names>', 'exhibits whose names begin so, separated by commas')
  .option('--missing', 'those that are not known to be caught in their present form', false)
  .option('--seconds <count>', 'real time for each', '300')
  .option('--seeds <count>', 'seeds for each', '2000')
  .option('--jobs <count>', 'processes', String(Math.max(1, availableParallelism() - 1)))
  .option('--write', 'add what was found to docs/data/museum.json and write docs/museum.md', false)
  .option('--page', 'hunt nothing, write docs/museum.md from what is known', false)
  .option('--json', 'one object on stdout', false);
command.parse();
const options = command.opts<{
  readonly only?: string;
  readonly missing: boolean;
  readonly seconds: string;
  readonly seeds: string;
  readonly jobs: string;
  readonly write: boolean;
  readonly page: boolean;
  readonly json: boolean;
}>();

interface Piece {
  readonly exhibit: Exhibit;
  readonly patch: string;
}

/** Throws when a file is not an exhibit. */
function allPieces(): Piece[] {
  const names = readdirSync(place).filter((name) => name.endsWith('.patch'));
  return names.sort().map((file) => {
    const text = readFileSync(path.join(place, file), 'utf8');
    return { exhibit: parseExhibit(file.replace(/\.patch$/, ''), text), patch: patchDigest(text) };
  });
}

function outcomeOf(results: Results, { exhibit, patch }: Piece): Outcome | undefined {
  const outcome = results.get(exhibit.name);
  return outcome?.patch === patch ? outcome : undefined;
}

function wanted(pieces: readonly Piece[]): Piece[] {
  const known = readResults(resultsFile);
  const only = options.only?.split(',');
  const chosen = pieces.filter((piece) => {
    if (only?.some((start) => piece.exhibit.name.startsWith(start)) === false) return false;
    return !options.missing || outcomeOf(known, piece)?.caught === undefined;
  });
  // Those never hunted first: a run that is cut short has then done the most.
  const hunted = (piece: Piece): boolean => outcomeOf(known, piece) !== undefined;
  return [...chosen.filter((piece) => !hunted(piece)), ...chosen.filter(hunted)];
}

const hunter = new Hunter();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => hunter.stop());

async function huntAll(pieces: readonly Piece[]): Promise<Results> {
  const queue = [...pieces];
  const results: Results = new Map();
  const work = async (): Promise<void> => {
    for (let piece = queue.shift(); piece !== undefined && !hunter.isStopped(); piece = queue.shift()) {
      const outcome = await hunter.hunt(piece.exhibit, {
        root,
        patch: piece.patch,
        seconds: Number(options.seconds),
        seeds: Number(options.seeds),
        say,
      });
      if (outcome === undefined) return;
      results.set(piece.exhibit.name, outcome);
      if (options.write) mergeResults(resultsFile, new Map([[piece.exhibit.name, outcome]]), () => true);
      const { caught, seeds, seconds } = outcome;
      const how =
        caught === undefined
          ? `NOT CAUGHT in ${seeds} seeds, ${seconds.toFixed(1)} s`
          : `after ${seeds} seeds, ${seconds.toFixed(1)} s, by ${caught.rule}`;
      say(`${String(results.size).padStart(3)} of ${pieces.length}  ${piece.exhibit.name.padEnd(36)} ${how}`);
    }
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, work));
  return results;
}

function writePage(pieces: readonly Piece[], found: Results): void {
  const names = new Set(pieces.map(({ exhibit }) => exhibit.name));
  const known = mergeResults(resultsFile, found, (name) => names.has(name));
  const droppedFile = path.join(place, 'dropped.md');
  const dropped = existsSync(droppedFile) ? readFileSync(droppedFile, 'utf8') : '';
  const shown = pieces.map((piece) => ({ exhibit: piece.exhibit, outcome: outcomeOf(known, piece) }));
  writeFileSync(pageFile, formatPage(shown, dropped));
}

async function main(): Promise<number> {
  const pieces = allPieces();
  for (const { exhibit } of pieces) changedSources(root, exhibit);
  const chosen = options.page ? [] : wanted(pieces);
  const results = await huntAll(chosen);
  if (options.write || options.page) writePage(pieces, results);
  if (options.json) process.stdout.write(`${JSON.stringify(Object.fromEntries(results))}\n`);
  const caught = [...results.values()].filter((outcome) => outcome.caught !== undefined).length;
  if (!options.page) say(`${caught} of ${chosen.length} caught`);
  return caught === chosen.length ? 0 : 1;
}

process.exitCode = await main();
