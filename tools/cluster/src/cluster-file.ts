/** `cluster.json`: the identity of the cluster whose data a directory holds. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { CommandFailure } from './failure.ts';
import { writeDurably } from './durable-file.ts';

const fileName = 'cluster.json';
const format = 1;

export interface ClusterIdentity {
  readonly clusterId: string;
  /**
   * Whether all its nodes were up once. From then on a node without data has lost it, and must not be
   * given its old id anew.
   */
  readonly complete: boolean;
}

async function listFolder(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new CommandFailure(`Cannot read the data directory ${directory}: ${message}`, { cause: error });
  }
}

/** The cluster in `directory`, or undefined in an empty or absent one. Refuses a directory of something else. Changes nothing. */
export async function readClusterFile(directory: string): Promise<ClusterIdentity | undefined> {
  const names = await listFolder(directory);
  // A start that ended before the identity was in place has left at most its temporary.
  if (names.every((name) => name === `${fileName}.tmp`)) return undefined;
  const file = path.join(directory, fileName);
  if (!names.includes(fileName)) {
    throw new CommandFailure(
      `${directory} is not empty and holds no Balsa cluster (there is no ${fileName}). Give another directory with --data.`,
    );
  }
  return parseClusterFile(await readFile(file, 'utf8'), file);
}

export function parseClusterFile(text: string, file: string): ClusterIdentity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandFailure(
      `${file} is damaged: it is not JSON. Restore it, or give another directory with --data.`,
      {
        cause: error,
      },
    );
  }
  const { format: found, clusterId, complete } = (value ?? {}) as Record<string, unknown>;
  if (
    found !== format ||
    typeof clusterId !== 'string' ||
    !/^[0-9a-f]{16}$/.test(clusterId) ||
    typeof complete !== 'boolean'
  ) {
    throw new CommandFailure(
      `${file} is damaged, or of another version: expected {"format":${format},"clusterId":"<16 hexadecimal digits>","complete":<true or false>}.`,
    );
  }
  return { clusterId, complete };
}

/** As {@link readClusterFile}; makes a new identity where there is none, durably, before any node sees it. */
export async function openClusterFile(directory: string): Promise<ClusterIdentity> {
  const found = await readClusterFile(directory);
  if (found !== undefined) return found;
  const identity = { clusterId: randomBytes(8).toString('hex'), complete: false };
  try {
    await mkdir(directory, { recursive: true });
    await writeClusterFile(directory, identity);
  } catch (error) {
    throw new CommandFailure(`Cannot write to the data directory ${directory}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return identity;
}

export async function writeClusterFile(directory: string, identity: ClusterIdentity): Promise<void> {
  await writeDurably(path.join(directory, fileName), `${JSON.stringify({ format, ...identity })}\n`);
}
