/** Whether a server keeps what it acknowledges: its settings, read anew with every connection. */
import { BalsaError } from '@balsa/raft-core';
import { ServerError, type Connection, type Reply } from './connection.ts';
import { checkWaitAof } from './wait-aof.ts';

/** When the server writes its append-only file anew by itself. */
export interface RewriteRule {
  /** The file has grown by so many hundredths of what it was after the last rewrite; 0: never. */
  readonly percentage: number;
  /** And is of so many bytes. */
  readonly minBytes: number;
}

export interface ServerFacts {
  readonly version: string;
  /** Of the server's process. */
  readonly runId: string;
  /** Every write must be followed by WAITAOF, because the server does not sync before it replies. */
  readonly needsWaitAof: boolean;
  /** Settings that lose nothing and should be others all the same, each with the fix. */
  readonly advice: readonly string[];
  /** Undefined where it was not asked for: a relaxed store takes the server as it is. */
  readonly rewriteRule?: RewriteRule;
}

export interface DurabilityOptions {
  readonly strict: boolean;
  readonly allowFailover: boolean;
  /** Of a key that may be written to and removed, to see whether WAITAOF can be relied on. */
  readonly probeKey: string;
  readonly now: () => number;
}

const oldest = [6, 2] as const;
/** The first version that has WAITAOF, of Redis and of Valkey alike. */
const waitAofSince = [7, 2] as const;

function text(reply: Reply): string {
  return Buffer.isBuffer(reply) ? reply.toString() : String(reply);
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

function unsafe(what: string, fix: string, details: Readonly<Record<string, unknown>> = {}): BalsaError {
  return new BalsaError('STORE_UNSAFE_SETTING', `${what}; ${fix}`, { details });
}

/** A section of what the server says about itself, by field. */
export async function readInfo(
  connection: Pick<Connection, 'call'>,
  section: string,
): Promise<ReadonlyMap<string, string>> {
  const lines = text(await connection.call('info', [section])).split(/\r?\n/);
  return new Map(
    lines
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

async function readSetting(connection: Connection, name: string): Promise<string> {
  let reply: Reply;
  try {
    reply = await connection.call('config', ['get', name]);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    throw unsafe(
      `the server does not let this user read its setting ${name} (${error.message})`,
      "whether writes are durable cannot be told: allow the user +config|get, or say durability: 'relaxed'",
      { setting: name },
    );
  }
  return Array.isArray(reply) ? text((reply as readonly Reply[])[1] ?? ('' as never)) : '';
}

/**
 * What the server is. `STORE_UNSAFE_SETTING`, naming the setting and the fix, when a strict store would lose
 * acknowledged writes on it, or the server is too old.
 */
export async function checkServer(connection: Connection, options: DurabilityOptions): Promise<ServerFacts> {
  const info = await readInfo(connection, 'everything');
  const version = info.get('valkey_version') ?? info.get('redis_version') ?? '0';
  if (!isAtLeast(version, oldest)) {
    throw unsafe(`the server is of version ${version}`, `${oldest.join('.')} or later is needed`, {
      version,
    });
  }
  const facts = { version, runId: info.get('run_id') ?? '', needsWaitAof: false, advice: [] };
  if (!options.strict) return facts;
  checkRole(info, options.allowFailover);
  if (!options.allowFailover) await checkSentinel(connection);
  await checkMemory(connection);
  const needsWaitAof = await checkAppendOnlyFile(connection, info, version);
  if (needsWaitAof) await checkWaitAof(connection, options.probeKey, options.now);
  const rewriteRule = {
    percentage: Number(await readSetting(connection, 'auto-aof-rewrite-percentage')),
    minBytes: Number(await readSetting(connection, 'auto-aof-rewrite-min-size')),
  };
  return { ...facts, needsWaitAof, advice: await adviceOn(connection), rewriteRule };
}

function checkRole(info: ReadonlyMap<string, string>, allowFailover: boolean): void {
  const role = info.get('role');
  if (role !== 'master') {
    throw unsafe(`the server is a ${String(role)}`, 'connect to the master: REPLICAOF NO ONE makes it one');
  }
  if (allowFailover) return;
  const replicas = info.get('connected_slaves') ?? '0';
  const fix =
    'a failover can lose acknowledged writes: give each node of Balsa a server of its own, or accept it with allowFailover';
  if (replicas !== '0') throw unsafe(`the server has ${replicas} replicas`, fix);
  if (info.get('cluster_enabled') === '1') throw unsafe('the server is part of a Redis Cluster', fix);
}

/** A Sentinel subscribes to a channel of this name on every server that it watches. */
async function checkSentinel(connection: Connection): Promise<void> {
  let reply: Reply;
  try {
    reply = await connection.call('pubsub', ['numsub', '__sentinel__:hello']);
  } catch (error) {
    // A user who may not ask is no reason to refuse: the settings that can be read say more.
    if (error instanceof ServerError) return;
    throw error;
  }
  const count = Array.isArray(reply) ? Number((reply as readonly Reply[])[1]) : 0;
  if (count === 0) return;
  throw unsafe(
    'a Sentinel watches the server',
    'a failover can lose acknowledged writes: take the server out of its configuration, or accept it with allowFailover',
  );
}

async function checkMemory(connection: Connection): Promise<void> {
  const policy = await readSetting(connection, 'maxmemory-policy');
  if (policy === 'noeviction') return;
  throw unsafe(
    `maxmemory-policy is ${policy}: the server may delete the log when memory is short`,
    'set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in redis.conf)',
    { setting: 'maxmemory-policy', value: policy },
  );
}

/** Settings that lose nothing, and trouble the user some day. */
const advised = [
  {
    setting: 'auto-aof-rewrite-percentage',
    bad: '0',
    good: '100',
    why: 'the append-only file shrinks only while this store does its housekeeping',
  },
  {
    setting: 'aof-load-truncated',
    bad: 'no',
    good: 'yes',
    why: 'after a power cut in the middle of a write the server does not start until redis-check-aof --fix has cut its file',
  },
  {
    setting: 'aof-rewrite-incremental-fsync',
    bad: 'no',
    good: 'yes',
    why: 'a rewrite of the append-only file gives the disk all data at once, and everybody waits for the next sync behind it',
  },
] as const;

async function adviceOn(connection: Connection): Promise<string[]> {
  const found: string[] = [];
  for (const { setting, bad, good, why } of advised) {
    if ((await readSetting(connection, setting)) !== bad) continue;
    found.push(
      `${setting} is ${bad}: ${why}; set it to ${good} (CONFIG SET ${setting} ${good}, and in redis.conf)`,
    );
  }
  return found;
}

/** Whether WAITAOF is needed. */
async function checkAppendOnlyFile(
  connection: Connection,
  info: ReadonlyMap<string, string>,
  version: string,
): Promise<boolean> {
  const appendOnly = await readSetting(connection, 'appendonly');
  if (appendOnly !== 'yes' || info.get('aof_enabled') !== '1') {
    throw unsafe(
      'appendonly is no: the server loses what it acknowledged when it stops',
      'set it to yes (CONFIG SET appendonly yes, and in redis.conf)',
      { setting: 'appendonly', value: appendOnly },
    );
  }
  const lastWrite = info.get('aof_last_write_status');
  if (lastWrite !== undefined && lastWrite !== 'ok') {
    throw unsafe(
      'the last write of the append-only file failed',
      'look at the disk and the log of the server',
    );
  }
  const noSyncOnRewrite = await readSetting(connection, 'no-appendfsync-on-rewrite');
  if (noSyncOnRewrite === 'yes') {
    throw unsafe(
      'no-appendfsync-on-rewrite is yes: while the append-only file is rewritten nothing is synced',
      'set it to no (CONFIG SET no-appendfsync-on-rewrite no, and in redis.conf)',
      { setting: 'no-appendfsync-on-rewrite', value: noSyncOnRewrite },
    );
  }
  const policy = await readSetting(connection, 'appendfsync');
  if (policy === 'always') return false;
  if (policy === 'everysec' && isAtLeast(version, waitAofSince)) return true;
  throw unsafe(
    `appendfsync is ${policy}: the server acknowledges writes before they are on the disk`,
    'set it to always (CONFIG SET appendfsync always, and in redis.conf); with everysec, Redis 7.2 or later is needed, which has WAITAOF',
    { setting: 'appendfsync', value: policy },
  );
}
