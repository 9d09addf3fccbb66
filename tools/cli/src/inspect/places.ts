/** What a directory is: a node's, one of several nodes', or that of an engine and nothing else. Changes nothing. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { findEngine, persistentEngineNames, type EngineSource, type RawOptions } from '@balsa/engines';
import { engineDirectory, rememberedStorage, storageFile } from '../serve/node-storage.ts';
import { WrongUse } from './report.ts';

export interface Place {
  /** For people: `node-1`, or the name of the directory. */
  readonly name: string;
  /** Where the engine's files are. */
  readonly directory: string;
  readonly source: EngineSource;
}

export interface PlaceChoice {
  readonly storage?: string;
  readonly storageOption?: RawOptions;
}

/** A file or folder by which the engine of a directory is known. */
const marks: Readonly<Record<string, { readonly path: RegExp; readonly text: string }>> = {
  sqlite: { path: /^log\.db$/, text: 'log.db' },
  rocksdb: { path: /^db\/CURRENT$/, text: 'db/CURRENT' },
  redis: { path: /^(appendonlydir\/.*\.manifest|appendonly\.aof)$/, text: 'appendonlydir/' },
  file: { path: /^log-\d+\.seg$/, text: 'log-*.seg' },
};

/** Options that lead away from the copy, to data that somebody may be using. */
const leadingAway = ['url', 'host', 'port', 'socket', 'watermarkPath'];

const nodePattern = /^node-(\d+)$/;

/** One of several nodes, whose directory is none. */
export interface Unusable {
  readonly name: string;
  readonly directory: string;
  readonly error: unknown;
}

/** Every node in `directory`, in order. `WrongUse` when there is none. */
export async function findPlaces(directory: string, choice: PlaceChoice): Promise<(Place | Unusable)[]> {
  refuseLeadingAway(choice);
  const names = await list(directory);
  const own = await placeIn(directory, names, choice);
  if (own !== undefined) return [own];
  const numbers = names.map((name) => Number(nodePattern.exec(name)?.[1])).filter((number) => number > 0);
  const places: (Place | Unusable)[] = [];
  for (const number of numbers.sort((a, b) => a - b)) {
    const [name, folder] = [`node-${number}`, path.join(directory, `node-${number}`)];
    try {
      const inside = await list(folder);
      places.push(
        (await placeIn(folder, inside, choice)) ?? {
          name,
          directory: folder,
          error: nothingIn(folder, inside),
        },
      );
    } catch (error) {
      places.push({ name, directory: folder, error });
    }
  }
  if (places.some((place) => 'source' in place)) return places;
  throw places.length === 1 && places[0] !== undefined && 'error' in places[0]
    ? places[0].error
    : nothingIn(directory, names);
}

function nothingIn(directory: string, names: readonly string[]): WrongUse {
  const looked = Object.entries(marks).map(([engine, { text }]) => `${text} (${engine})`);
  return new WrongUse(
    `${directory} holds no data that Balsa knows. Looked for ${storageFile} (a node), node-1, node-2, ... ` +
      `(several nodes), ${looked.join(', ')}; there is ${shown(names)}.`,
    { code: 'STORE_NOT_FOUND' },
  );
}

function refuseLeadingAway({ storage, storageOption = {} }: PlaceChoice): void {
  if (storage !== undefined && !persistentEngineNames.includes(storage))
    throw new WrongUse(`--storage is one of ${persistentEngineNames.join(', ')}, not ${storage}`);
  const option = leadingAway.find((name) => Object.hasOwn(storageOption, name));
  if (option === undefined) return;
  throw new WrongUse(
    `the option ${option} leads to data in use; only a copy of a directory is ever opened: leave it out`,
  );
}

async function list(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    const { message } = error as NodeJS.ErrnoException;
    throw new WrongUse(`Cannot read ${directory}: ${message}`, { code: 'STORE_NOT_FOUND', cause: error });
  }
}

function shown(names: readonly string[]): string {
  if (names.length === 0) return 'nothing at all';
  return names.length <= 5
    ? names.join(', ')
    : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}

async function placeIn(
  directory: string,
  names: readonly string[],
  choice: PlaceChoice,
): Promise<Place | undefined> {
  const remembered = names.includes(storageFile) ? await storageOf(directory, choice) : undefined;
  const folder = remembered === undefined ? directory : engineDirectory(directory, remembered);
  const found = await recognise(folder, folder === directory ? names : await contentsOf(folder));
  const engine = choice.storage ?? remembered ?? found;
  if (engine === undefined || (found === undefined && remembered === undefined)) return undefined;
  checkAgrees(directory, { given: choice.storage, remembered, found });
  if (found === undefined)
    throw new WrongUse(
      `${directory} says that it holds data of ${engine}, but ${folder} has no ${marks[engine]?.text ?? 'data'}: ` +
        'its data are gone, were never written, or are on a server elsewhere',
      { code: 'STORE_NOT_FOUND' },
    );
  return {
    name: path.basename(directory),
    directory: folder,
    source: await findEngine(engine, choice.storageOption),
  };
}

/** A note that cannot be read is no obstacle for somebody who says what the data are. */
async function storageOf(directory: string, { storage }: PlaceChoice): Promise<string | undefined> {
  try {
    const remembered = await rememberedStorage(directory);
    if (remembered === undefined || persistentEngineNames.includes(remembered)) return remembered;
    throw new WrongUse(
      `${directory} holds data of the module ${remembered}; where such an engine keeps its data only it knows, ` +
        'so that they cannot be looked at from outside',
    );
  } catch (error) {
    if (storage === undefined || error instanceof WrongUse) throw error;
    return storage;
  }
}

function checkAgrees(
  directory: string,
  names: Readonly<Record<'given' | 'remembered' | 'found', string | undefined>>,
): void {
  const [first, ...others] = new Set(Object.values(names).filter((name) => name !== undefined));
  if (others.length === 0) return;
  const said = Object.entries({
    'given with --storage': names.given,
    [`said by ${storageFile}`]: names.remembered,
    'found in it': names.found,
  });
  const all = said.flatMap(([who, name]) => (name === undefined ? [] : [`${name} (${who})`]));
  throw new WrongUse(
    `${directory} cannot hold data of ${String(first)} and of another engine: ${all.join(', ')}. Leave --storage out.`,
  );
}

async function contentsOf(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
}

async function recognise(folder: string, names: readonly string[]): Promise<string | undefined> {
  const deeper = ['db', 'appendonlydir'].filter((name) => names.includes(name));
  const below = await Promise.all(
    deeper.map(async (name) => (await contentsOf(path.join(folder, name))).map((one) => `${name}/${one}`)),
  );
  const all = [...names, ...below.flat()];
  return Object.entries(marks).find(([, mark]) => all.some((name) => mark.path.test(name)))?.[0];
}
