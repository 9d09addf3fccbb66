import { defineConfig } from 'vitest/config';

// Tests run against the sources of every package: no build stands between a change and its test.
const conditions = ['@balsa/source', 'node', 'import', 'module', 'default'];

/**
 * Milliseconds, for a test and for what it waits for. They find what hangs, and no machine is so slow, or so busy, that
 * they find that: nothing is measured by them.
 */
const [testTimeout, pollTimeout] = [300_000, 120_000];

const project = (name: string, root: string, env: Readonly<Record<string, string>> = {}) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    ...{ name, root, env, include: ['test/**/*.test.ts'] },
    ...{ testTimeout, hookTimeout: testTimeout, expect: { poll: { timeout: pollTimeout } } },
  },
});

export default defineConfig({
  test: {
    projects: [
      project('raft-core', 'packages/raft-core'),
      project('storage-kit', 'packages/storage-kit'),
      project('raft-node', 'packages/raft-node'),
      project('storage-sqlite', 'packages/storage-sqlite'),
      // The same tests, with SQLite in a worker thread.
      project('storage-sqlite-worker', 'packages/storage-sqlite', { BALSA_SQLITE_WORKER: 'true' }),
      project('storage-file', 'packages/storage-file'),
      project('transport-memory', 'packages/transport-memory'),
      project('transport-tcp', 'packages/transport-tcp'),
      project('kv', 'packages/kv'),
      project('test-suite', 'test-suite'),
      project('cli', 'tools/cli'),
      project('bench', 'tools/bench'),
      project('storage-redis', 'packages/storage-redis'),
      project('storage-rocksdb', 'packages/storage-rocksdb'),
      project('engines', 'tools/engines'),
      project('cluster', 'tools/cluster'),
      project('checker', 'tools/checker'),
      project('simulator', 'tools/simulator'),
      project('chaos', 'tools/chaos'),
      project('zoo', 'tools/zoo'),
      project('examples', 'examples'),
    ],
  },
});
