/** The time of a node's profile goes to the part that spent it, whoever's native code it was spent in. */
import type { Profiler } from 'node:inspector';
import { expect, test } from 'vitest';
import { partsOf } from '../src/cluster/parts.ts';

type Place = readonly [name: string, url: string];

/** A profile of stacks, each from its outermost caller, with its time in microseconds. */
function profileOf(stacks: readonly (readonly [us: number, ...places: Place[]])[]): Profiler.Profile {
  const nodes: Profiler.ProfileNode[] = [];
  const add = ([functionName, url]: Place): Profiler.ProfileNode => {
    const callFrame = { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 };
    const node = { id: nodes.length + 1, callFrame, children: [] };
    nodes.push(node);
    return node;
  };
  const root = add(['(root)', '']);
  const leaves = stacks.map(([, ...places]) => {
    let at = root;
    for (const place of places) {
      const node = add(place);
      at.children?.push(node.id);
      at = node;
    }
    return at.id;
  });
  return { nodes, startTime: 0, endTime: 0, samples: leaves, timeDeltas: stacks.map(([us]) => us) };
}

test('shares go to the parts, largest first, and make one', () => {
  const log: Place = ['#close', 'file:///app/packages/storage-sqlite/dist/log-database.js'];
  const state: Place = ['put', 'file:///app/node_modules/@balsa/storage-sqlite/dist/state-tables.js'];
  const driver: Place = ['run', 'file:///app/node_modules/better-sqlite3/lib/methods/wrappers.js'];
  const sync: Place = ['dataSyncNow', 'file:///app/packages/storage-kit/dist/node-file-system.js'];
  const server: Place = ['#flush', 'file:///app/packages/kv/dist/server/connection.js'];
  const stream: Place = ['Writable.write', 'node:internal/streams/writable'];
  const found = partsOf(
    profileOf([
      [500, ['(idle)', '']],
      [100, log, driver, ['run', '']],
      [50, log, sync, ['fdatasyncSync', 'node:fs'], ['fdatasync', '']],
      [25, log, sync, ['writeSync', 'node:fs'], ['writeBuffer', '']],
      [15, log],
      [80, server, state, driver, ['run', '']],
      [70, server, stream, ['writeBuffer', '']],
      [60, server, stream],
      [50, server, ['crc32', '']],
      [30, ['(garbage collector)', '']],
      [15, ['constructor', 'file:///app/packages/raft-core/dist/raft-log.js']],
      [5, ['toString', '']],
      [400, ['post', 'node:inspector'], ['dispatch', '']],
    ]),
  );
  expect(found).toEqual([
    { name: 'waiting for work', share: 0.5 },
    { name: 'storage: the log, its syncs included', share: 0.19 },
    { name: "storage: the state machine's store", share: 0.08 },
    { name: 'socket writes', share: 0.07 },
    { name: "Node's own JavaScript", share: 0.06 },
    { name: 'kv', share: 0.05 },
    { name: 'garbage collection', share: 0.03 },
    { name: 'raft-core', share: 0.015 },
    { name: 'others', share: 0.005 },
  ]);
});

test('a profile without samples has no parts', () => {
  expect(partsOf(profileOf([]))).toEqual([]);
});
