/** Becoming the owner: fencing whoever was it before, and finding out whether anything acknowledged is lost. */
import { BalsaError, LogLevel, randomHex64 } from '@balsa/raft-core';
import { Watermark, makeDirectoryDurably, mapIo, type WatermarkOptions } from '@balsa/storage-kit';
import path from 'node:path';
import type { Connection, Reply } from './connection.ts';
import { ServerError } from './connection.ts';
import type { ServerFacts } from './durability.ts';
import { corrupt, fenced, refused } from './errors.ts';
import { digits, emptyGroupHead, encodeGroupHead, parseGroupHead, textCrc } from './head.ts';
import { engineKeys, headKey } from './keys.ts';
import type { Settings } from './options.ts';
import {
  encodeEngineHead,
  newEngineRecord,
  parseEngineHead,
  readNames,
  type EngineHead,
  type RegisteredPart,
} from './registry.ts';
import { claimScript, writeScript } from './scripts.ts';
import { parseStoreHead, emptyStoreRest } from './store-head.ts';

/** Others that take over at the same time are outdone at most so often. */
const takeoverAttempts = 16;
/** Heads claimed at once. */
const claimsAtOnce = 128;

export interface Ownership {
  readonly head: EngineHead;
  readonly names: Map<string, RegisteredPart>;
  /** The highest that any head holds. */
  readonly sequence: number;
  /** How far acknowledged writes went before, as far as the watermark knew. */
  readonly acknowledged: number;
  /** Undefined for a relaxed store without one. */
  readonly watermark: Watermark | undefined;
}

/** Takes the prefix over. Nothing but the epochs is changed when it rejects. */
export async function takeOwnership(
  settings: Settings,
  connection: Connection,
  facts: ServerFacts,
): Promise<Ownership> {
  const files = await watermarkFiles(settings);
  const before = files === undefined ? undefined : await Watermark.open(files);
  try {
    const head = await takeHead(settings, connection, facts, before, files);
    const names = await readNames(connection, engineKeys(settings.prefix), head.record.names);
    const claimed = await claimAll(settings, connection, head.epoch, names);
    const sequence = Math.max(head.sequence, claimed);
    checkWatermark(settings, sequence, before);
    const watermark = files === undefined ? undefined : await renew(files, head.record.storeId, sequence);
    return { head, names, sequence, acknowledged: before?.sequence ?? 0, watermark };
  } finally {
    // Its file is another one by now: an owner that is fenced may go on writing to the old one.
    await before?.close();
  }
}

async function watermarkFiles(settings: Settings): Promise<WatermarkOptions | undefined> {
  const { watermarkPath, fs, watermarkLag: lag } = settings;
  if (watermarkPath === undefined) return undefined;
  const absolute = path.resolve(watermarkPath);
  const directory = path.dirname(absolute);
  await makeDirectoryDurably(fs, directory);
  return { fs, directory, name: path.basename(absolute), lag };
}

/** The engine's head with this owner's epoch. */
async function takeHead(
  settings: Settings,
  connection: Connection,
  facts: ServerFacts,
  watermark: Watermark | undefined,
  files: WatermarkOptions | undefined,
): Promise<EngineHead> {
  const keys = engineKeys(settings.prefix);
  let storeId: string | undefined;
  for (let attempt = 0; attempt < takeoverAttempts; attempt++) {
    const found = textOf(await connection.call('get', [keys.head]));
    let next: EngineHead;
    if (found === '') {
      checkMayBeNew(settings, watermark);
      storeId ??= watermark?.identity ?? randomHex64(settings.env);
      // The file first: a store without one would look like one whose file was lost.
      if (files !== undefined && watermark === undefined) await (await renew(files, storeId, 0)).close();
      next = { epoch: 1, sequence: 0, record: newEngineRecord(storeId, facts.runId) };
    } else {
      const present = parseEngineHead(found, settings.prefix);
      checkSameStore(settings, present.record.storeId, watermark);
      const record = { ...present.record, runId: facts.runId };
      next = { epoch: present.epoch + 1, sequence: present.sequence, record };
    }
    const text = encodeEngineHead(next);
    const reply = await connection.run(writeScript, [keys.head, keys.head], [found, text, '0', '']);
    if (textOf(reply) === 'OK') return next;
  }
  throw new BalsaError('STORE_LOCKED', `other engines keep taking over the prefix ${settings.prefix}`);
}

function textOf(reply: Reply): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : '';
}

/** An empty server is a new store only where nothing was ever acknowledged. */
function checkMayBeNew({ prefix, durability, env }: Settings, watermark: Watermark | undefined): void {
  if (watermark === undefined || watermark.sequence === 0) return;
  const text =
    `the server holds nothing under the prefix ${prefix}, but ${String(watermark.sequence)} writes were ` +
    'acknowledged there: its data are lost, or it is another server';
  if (durability === 'strict') {
    throw new BalsaError('STORE_ACKNOWLEDGED_WRITE_LOST', text, { details: { prefix } });
  }
  env.log.log(LogLevel.Error, text);
}

function checkSameStore(settings: Settings, storeId: string, watermark: Watermark | undefined): void {
  const { prefix, watermarkPath } = settings;
  if (watermarkPath === undefined) return;
  if (watermark === undefined) {
    throw corrupt(
      `the watermark ${watermarkPath} is missing, but the server holds a store under the prefix ${prefix}: ` +
        'whether acknowledged writes are lost cannot be told',
      { watermarkPath, prefix },
    );
  }
  if (watermark.identity === storeId) return;
  throw new BalsaError(
    'STORE_ACKNOWLEDGED_WRITE_LOST',
    `the server holds store ${storeId} under the prefix ${prefix}, the watermark ${watermarkPath} is of ` +
      `store ${watermark.identity}: it is another server, or its data were replaced`,
    { details: { found: storeId, expected: watermark.identity } },
  );
}

/** Fences every part; gives the highest sequence. */
async function claimAll(
  settings: Settings,
  connection: Connection,
  epoch: number,
  names: ReadonlyMap<string, RegisteredPart>,
): Promise<number> {
  let highest = 0;
  const all = [...names];
  for (let from = 0; from < all.length; from += claimsAtOnce) {
    const some = all.slice(from, from + claimsAtOnce);
    const heads = await Promise.all(
      some.map(([field, { part }]) => claim(settings.prefix, connection, epoch, field, part)),
    );
    for (const [i, [field, { part, name }]] of some.entries()) {
      const text = heads[i] ?? '';
      // Entered into the registry, and then cut off before its first write.
      if (text === '') continue;
      const what = `${part} ${JSON.stringify(name)}`;
      const { sequence } =
        part === 'group' ? parseGroupHead(field, text, what) : parseStoreHead(field, text, what);
      highest = Math.max(highest, sequence);
    }
  }
  return highest;
}

/** Takes one part over; its head without the epoch, empty when it is new. */
export async function claim(
  prefix: string,
  connection: Connection,
  epoch: number,
  field: string,
  part: RegisteredPart['part'],
): Promise<string> {
  const rest = part === 'group' ? encodeGroupHead(textCrc(field), emptyGroupHead) : emptyStoreRest(field);
  try {
    const reply = await connection.run(claimScript, [headKey(prefix, field)], [digits(epoch), rest]);
    return textOf(reply).slice(digits(epoch).length);
  } catch (error) {
    if (error instanceof ServerError && error.message.startsWith('FENCED')) throw fenced('taking over');
    throw refused(error, 'take over a part of the store');
  }
}

function checkWatermark(settings: Settings, found: number, watermark: Watermark | undefined): void {
  if (watermark === undefined || found >= watermark.sequence) return;
  const acknowledged = watermark.sequence;
  const text =
    `the server holds write ${String(found)} as the last one, but write ${String(acknowledged)} was acknowledged: ` +
    `${String(acknowledged - found)} writes are lost`;
  const details = { found, acknowledged };
  if (settings.durability === 'strict')
    throw new BalsaError('STORE_ACKNOWLEDGED_WRITE_LOST', text, { details });
  // The user accepted the loss beforehand; it is still said aloud.
  settings.env.log.log(LogLevel.Error, text, details);
}

/** Puts a new file in the place of the old one, so that an owner before writes to one that nobody reads. */
async function renew(files: WatermarkOptions, storeId: string, sequence: number): Promise<Watermark> {
  const { fs, directory, name } = files;
  const next = { ...files, name: `${name}.next` };
  const watermark = await Watermark.create(next, storeId);
  try {
    await watermark.advance(sequence, true);
    const [from, to] = [fs.join(directory, next.name), fs.join(directory, name)];
    await mapIo('rename', from, async () => {
      await fs.rename(from, to);
      await fs.syncDirectory(directory);
    });
    return watermark;
  } catch (error) {
    await watermark.close();
    throw error;
  }
}
