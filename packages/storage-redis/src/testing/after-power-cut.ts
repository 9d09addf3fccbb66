/**
 * What a server does not mend by itself after a power cut, though nothing that it ever synced is touched.
 *
 * A file system may keep the new size of the append-only file and not all of the bytes that were being written: the
 * sectors that are missing are zeros. The server takes a file that ends too early for torn, and loads what is whole;
 * where it stumbles over zeros, it does not start. It does not either when it was cut off in making its first files.
 */
import { existsSync, readFileSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { firstFault } from './aof-format.ts';

/** What a server says that does not start for it. The name that it gives is without the folder. */
const badFormat = /Bad file format reading the append only file (?<name>[^\s:]+)/;
const missingFile = /Unable to obtain the AOF file (?<name>[^\s:]+) length. stat: No such file/;

/** A disk writes all of one or nothing. */
const sectorBytes = 512;

/** Does what it can for a server that said `output` and ended. True when something was mended. */
export function mendAfterPowerCut(directory: string, output: string): boolean {
  const torn = badFormat.exec(output)?.groups?.['name'];
  if (torn !== undefined) return cutTornWrite(directory, torn);
  const missing = missingFile.exec(output)?.groups?.['name'];
  return missing !== undefined && forgetUnbornFiles(directory, missing);
}

/** Advice for a person, empty where there is none. */
export function adviceAfter(output: string): string {
  if (!badFormat.test(output)) return '';
  return (
    '\nIf a power cut has torn the end of the file, "redis-check-aof --fix" on the manifest in appendonlydir cuts it off; ' +
    'the store, when it is opened, says if anything acknowledged is missing.'
  );
}

function find(directory: string, name: string): string | undefined {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true }).find(
    (entry) => entry.isFile() && entry.name === path.basename(name),
  );
  return found === undefined ? undefined : path.join(found.parentPath, found.name);
}

/** Number of a file of commands; the one with the highest is the only one that is written to. */
function numberOf(name: string): number {
  return Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0);
}

/**
 * Cuts the last file where the first command begins that a missing sector has spoilt. Damage of any other kind, and a
 * sector that is missing in what was synced, is left for the server to refuse.
 */
function cutTornWrite(directory: string, name: string): boolean {
  const file = find(directory, name);
  if (file === undefined) return false;
  const newest = Math.max(...readdirSync(path.dirname(file)).map(numberOf));
  if (numberOf(name) !== newest) return false;
  const bytes = readFileSync(file);
  const fault = firstFault(bytes);
  if (fault === undefined || !isMissingSector(bytes, fault.at, fault.wholeUntil)) return false;
  if (wasSyncedSince(bytes.subarray(fault.wholeUntil))) return false;
  truncateSync(file, fault.wholeUntil);
  return true;
}

/** Whether nothing but zeros lies in the sector of `at`, from `written` on where that is a part of it. */
function isMissingSector(bytes: Uint8Array, at: number, written: number): boolean {
  const sector = Math.floor(at / sectorBytes) * sectorBytes;
  const rest = bytes.subarray(Math.max(sector, written), sector + sectorBytes);
  return rest.length > 0 && rest.every((byte) => byte === 0);
}

/** The command that ends every write of a store. */
const headSet = /\$3\r\nSET\r\n\$\d+\r\n([\w.:{}-]+:head)\r\n/g;

/** Nobody writes a second time before the first is synced: with two writes of one part, the fault is an older one. */
function wasSyncedSince(bytes: Buffer): boolean {
  const heads = [...bytes.toString('latin1').matchAll(headSet)].map((match) => match[1]);
  return new Set(heads).size < heads.length;
}

/** A manifest that came to be before the files that it names, which are its very first: no command is in any. */
function forgetUnbornFiles(directory: string, missing: string): boolean {
  if (!missing.includes('.1.base.')) return false;
  const folder = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(directory, entry.name))
    .find((one) => readdirSync(one).some((name) => name.endsWith('.manifest')));
  if (folder === undefined || existsSync(path.join(folder, missing))) return false;
  const names = readdirSync(folder);
  const hasData = names.some(
    (name) => !name.endsWith('.manifest') && statSync(path.join(folder, name)).size > 0,
  );
  if (hasData) return false;
  for (const name of names) rmSync(path.join(folder, name));
  return true;
}
