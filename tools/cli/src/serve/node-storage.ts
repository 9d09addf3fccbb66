/** What a node keeps its data in: chosen once for a directory, and remembered there. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeDurably } from '@balsa/cluster';
import {
  EngineChoiceError,
  findEngine,
  persistentEngineNames,
  type EngineSource,
  type RawOptions,
} from '@balsa/engines';
import { CommandFailure } from '../messages.ts';

export interface StorageChoice {
  /** Undefined: what the directory was made with, SQLite for a new one. */
  readonly storage?: string | undefined;
  readonly storageOption?: RawOptions | undefined;
}

/** Names the engine beside the data. */
export const storageFile = 'storage.json';
const format = 1;
const fallback = 'sqlite';

/** The engine that the data in `directory` are of; undefined in a directory without data, or of an unknown kind. */
export async function rememberedStorage(directory: string): Promise<string | undefined> {
  const file = path.join(directory, storageFile);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      throw new CommandFailure(`Cannot read ${file}: ${message}`, { cause: error });
    // Directories made before there was a choice say nothing, and are SQLite's.
    return existsSync(path.join(directory, 'log.db')) ? fallback : undefined;
  }
  const name = parse(text);
  if (name !== undefined) return name;
  throw new CommandFailure(
    `${file} is damaged: expected {"format":${format},"storage":"<engine>"}, the engine that the data beside it were made with.`,
    { code: 'STORE_CORRUPT' },
  );
}

function parse(text: string): string | undefined {
  try {
    const { format: found, storage } = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    return found === format && typeof storage === 'string' ? storage : undefined;
  } catch {
    return undefined;
  }
}

/** Modules are remembered by where they are. */
function canonical(name: string): string {
  return persistentEngineNames.includes(name) ? name : path.resolve(name);
}

/**
 * The engine for `directory`. Changes nothing. `EngineChoiceError` for a name or an option that does not exist;
 * refused when the directory holds the data of another engine.
 */
export async function chooseStorage(directory: string, choice: StorageChoice): Promise<EngineSource> {
  const remembered = await rememberedStorage(directory);
  const name = choice.storage ?? remembered ?? fallback;
  const source = await findEngine(name, choice.storageOption);
  if (!source.persistent) {
    throw new EngineChoiceError(
      `a node cannot run on ${name}, which keeps nothing: give ${persistentEngineNames.join(', ')}, or a module that exports openEngine`,
    );
  }
  if (remembered === undefined || remembered === canonical(name)) return source;
  throw new CommandFailure(
    `${directory} holds data that were made with the storage ${remembered}, and cannot be used with ${name}. ` +
      `Leave --storage out, or say --storage ${remembered}; a node on another engine is a new node with an empty directory and a new id.`,
    { code: 'INVALID_CONFIG' },
  );
}

/**
 * Where below a node's directory the engine keeps its data: SQLite in the directory itself, as it always did, and the
 * others apart from our own file, because an engine may refuse a directory with files of somebody else.
 */
export function engineDirectory(directory: string, name: string): string {
  return name === fallback ? directory : path.join(directory, 'store');
}

async function isEmpty(directory: string): Promise<boolean> {
  return readdir(directory).then(
    (names) => names.length === 0,
    () => true,
  );
}

async function write(directory: string, name: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    await writeDurably(
      path.join(directory, storageFile),
      `${JSON.stringify({ format, storage: canonical(name) })}\n`,
    );
  } catch (error) {
    throw new CommandFailure(`Cannot write to the data directory ${directory}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Opens with `open` and remembers the engine: before it in a new directory, so that a crash in between leaves no data
 * of an unknown engine, and only after it in an old one, because data that are refused are not touched.
 */
export async function remembering<T>(directory: string, name: string, open: () => Promise<T>): Promise<T> {
  if (existsSync(path.join(directory, storageFile))) return open();
  if (await isEmpty(directory)) {
    await write(directory, name);
    return open();
  }
  const opened = await open();
  await write(directory, name);
  return opened;
}
