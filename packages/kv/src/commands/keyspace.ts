/** DEL EXISTS SCAN DBSIZE. */
import { bucketCount, bucketOf, bucketStart, userKey } from '../machine/store-key.ts';
import { array, bulk, error, integer, type ErrorReply, type Reply } from '../resp/reply.ts';
import type { KvService } from '../server/service.ts';
import { notAnInteger, syntaxError } from './errors.ts';
import { globMatches } from './glob.ts';
import { allKeys, type CommandSpec, type ReadPlan } from './spec.ts';

export const keyspaceCommands: readonly CommandSpec[] = [
  {
    name: 'del',
    kind: 'write',
    arity: -2,
    flags: ['write'],
    keys: allKeys,
    group: 'generic',
    summary: 'Removes keys and returns how many there were.',
    since: '1.0.0',
    parse: (keys) => ({ op: 'del', keys }),
  },
  {
    name: 'exists',
    kind: 'read',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: allKeys,
    group: 'generic',
    summary: 'Returns how many of the keys exist; a key named twice counts twice.',
    since: '1.0.0',
    plan: (keys, service) => ({
      kind: 'run',
      linearizable: true,
      run: async () => integer(await service.countExisting(keys)),
    }),
  },
  {
    name: 'dbsize',
    kind: 'read',
    arity: 1,
    flags: ['readonly', 'fast'],
    group: 'server',
    summary: 'Returns the number of keys.',
    since: '1.0.0',
    plan: (_args, service) => ({
      kind: 'run',
      linearizable: true,
      run: async () => integer(await service.store.count()),
    }),
  },
  {
    name: 'scan',
    kind: 'read',
    arity: -2,
    flags: ['readonly'],
    group: 'generic',
    summary: 'Iterates over the keys; a cursor means the same on every node.',
    since: '2.8.0',
    plan: planScan,
  },
];

interface ScanOptions {
  readonly bucket: number;
  readonly count: number;
  readonly pattern: Uint8Array | undefined;
  /** Every value is a string; another type matches nothing. */
  readonly nothing: boolean;
}

const defaultCount = 10;
/** More keys than this are not looked at by one call, whatever COUNT says. */
const maxCount = 10_000;
/** Values come with the keys; one call reads about this much of them. */
const maxScanBytes = 4 * 1024 * 1024;

function planScan(args: readonly Buffer[], service: KvService): ReadPlan | ErrorReply {
  const options = parseScan(args);
  if ('kind' in options) return options;
  return { kind: 'run', linearizable: true, run: () => scan(options, service) };
}

function parseScan(args: readonly Buffer[]): ScanOptions | ErrorReply {
  const cursor = args[0]?.toString('latin1') ?? '';
  if (!/^[0-9]{1,20}$/.test(cursor) || BigInt(cursor) >= 2n ** 64n) return error('ERR invalid cursor');
  let count = defaultCount;
  let pattern: Uint8Array | undefined;
  let nothing = false;
  for (let i = 1; i < args.length; i += 2) {
    const word = args[i]?.toString('latin1').toUpperCase();
    const value = args[i + 1];
    if (value === undefined) return syntaxError;
    if (word === 'COUNT') {
      const text = value.toString('latin1');
      if (!/^(?:0|-?[1-9][0-9]{0,17})$/.test(text)) return notAnInteger;
      if (Number(text) < 1) return syntaxError;
      count = Math.min(Number(text), maxCount);
    } else if (word === 'MATCH') {
      pattern = value;
    } else if (word === 'TYPE') {
      nothing = value.toString('latin1').toLowerCase() !== 'string';
    } else {
      return syntaxError;
    }
  }
  return { bucket: Number(cursor), count, pattern, nothing };
}

/** Whole buckets from the cursor on, until COUNT keys were looked at; the next cursor is the bucket after them. */
async function scan(options: ScanOptions, service: KvService): Promise<Reply> {
  if (options.bucket >= bucketCount) return array([bulk('0'), array([])]);
  const keys: Uint8Array[] = [];
  let bytes = 0;
  let last: Uint8Array | undefined;
  while (keys.length < options.count && bytes < maxScanBytes) {
    const page = await service.store.range({
      ...(last === undefined ? { gte: bucketStart(options.bucket) } : { gt: last }),
      lt: bucketStart(bucketCount),
      limit: options.count - keys.length,
      maxBytes: maxScanBytes - bytes,
    });
    if (page.length === 0) return scanReply(0, keys, options);
    for (const { key, value } of page) {
      keys.push(key);
      bytes += key.length + value.length;
      last = key;
    }
  }
  if (last === undefined) return scanReply(0, keys, options);
  const bucket = bucketOf(last);
  await finishBucket(service, bucket, last, keys);
  return scanReply((bucket + 1) % bucketCount, keys, options);
}

/** The rest of a bucket that the page ended in: nearly always nothing. */
async function finishBucket(
  service: KvService,
  bucket: number,
  from: Uint8Array,
  keys: Uint8Array[],
): Promise<void> {
  let last = from;
  for (;;) {
    const page = await service.store.range({
      gt: last,
      lt: bucketStart(bucket + 1),
      limit: 64,
      maxBytes: maxScanBytes,
    });
    for (const { key } of page) keys.push(key);
    const end = page.at(-1)?.key;
    if (end === undefined) return;
    last = end;
  }
}

function scanReply(next: number, stored: readonly Uint8Array[], options: ScanOptions): Reply {
  const { nothing, pattern } = options;
  const keys = nothing
    ? []
    : stored.map(userKey).filter((key) => pattern === undefined || globMatches(pattern, key));
  return array([bulk(String(next)), array(keys.map(bulk))]);
}
