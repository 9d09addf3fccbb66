/**
 * What the thread of checkpoints runs: one after another, each on a connection that lives no longer than it. It loads
 * nothing but SQLite, so that it starts soon.
 */
import { parentPort } from 'node:worker_threads';
import Database from 'better-sqlite3';
import type { CheckpointReply, CheckpointRequest } from './checkpoint-requests.ts';

/** What there is no connection for is no fault of the database: somebody else copies it then. */
function connect({ path, synchronous }: CheckpointRequest): Database.Database | Error {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { fileMustExist: true, timeout: 0 });
    db.pragma(`synchronous = ${String(synchronous)}`);
    // The first look at the database opens its write-ahead log.
    db.pragma('schema_version');
    return db;
  } catch (error) {
    db?.close();
    return error as Error;
  }
}

function checkpoint(request: CheckpointRequest): CheckpointReply {
  const { id } = request;
  const db = connect(request);
  if (db instanceof Error) return { id, error: { message: db.message } };
  try {
    db.pragma('wal_checkpoint(PASSIVE)');
    return { id };
  } catch (error) {
    const { message, code } = error as Error & { readonly code: string };
    return { id, error: { message, code } };
  } finally {
    db.close();
  }
}

parentPort?.on('message', (request: CheckpointRequest) => {
  parentPort?.postMessage(checkpoint(request));
});
