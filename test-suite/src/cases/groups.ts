/** Several groups in one database. */
import assert from 'node:assert/strict';
import type { CaseContext, ConformanceCase } from '../case.ts';
import { refuses, sameGroup, sameSnapshot } from '../check.ts';
import { conf, create, entry, hard, meta, run } from '../make.ts';

/** Names that a careless key scheme mixes up: prefixes, separators, patterns, escapes, case, normal forms, lone surrogates. */
const names: readonly string[] = [
  '1', '10', '1:0', '1:', ':', '::1', '*', '?', '[a-z]', '{1}', '%', '_', '%25', "'", '"', ';--', '\\', '/', '../up', '.', '..',
  ' ', '  ', '\0', '1\0', '\n', 'a', 'A', 'é', 'e\u0301', 'ß', 'ss', '\u{1f332}', '\ud83c', '\udf32', '\uffff', '__proto__', 'constructor',
  ' a', 'a ', 'a\t', 'a/b', 'a.b', '0', '00', '-', '１', 'ﬁ', 'fi', 'x'.repeat(256), `${'x'.repeat(255)}y`,
]; // prettier-ignore

async function fill(context: CaseContext, id: string, n: number): Promise<void> {
  const { storage } = await context.group(id);
  await storage.write({
    entries: [...run(1, 2, 1), entry(3, 2, `${String(n)} ${id.slice(0, 20)}`)],
    hardState: hard(n + 2, 2, n),
    confState: { index: 1, state: conf(n + 1) },
  });
  await storage.compactTo(1);
  await create(storage, meta(2, 1, conf(n + 1)));
}

async function verify(context: CaseContext, id: string, n: number): Promise<void> {
  const opened = await context.group(id);
  await sameGroup(opened, {
    boundary: { index: 1, term: 1 },
    entries: [entry(2, 1), entry(3, 2, `${String(n)} ${id.slice(0, 20)}`)],
    hardState: hard(n + 2, 2, n),
    confState: { index: 1, state: conf(n + 1) },
  });
  const snapshots = await opened.storage.listSnapshots();
  assert.equal(snapshots.length, 1, `snapshots of ${JSON.stringify(id)}`);
  sameSnapshot(opened.state.snapshot, snapshots[0]);
  assert.deepEqual([...(snapshots[0]?.metadata.confState.voters ?? [])], [n + 1]);
}

export const groupCases: readonly ConformanceCase[] = [
  {
    id: 'groups/names-never-mix',
    title: 'groups of whatever names never see each other, and are listed by code unit',
    level: 'durable',
    run: async (context) => {
      for (const [n, id] of names.entries()) await fill(context, id, n);
      assert.deepEqual(await (await context.engine()).listGroups(), names.toSorted());
      await context.closeEngine();
      for (const [n, id] of names.entries()) await verify(context, id, n);
      assert.deepEqual(await (await context.engine()).listGroups(), names.toSorted());
    },
  },
  {
    id: 'groups/lists-whatever-holds-data',
    title: 'a group that holds a vote, a term, a membership or a snapshot and nothing else is listed',
    level: 'durable',
    run: async (context) => {
      await (await context.group('vote')).storage.write({ hardState: hard(3, 0, 2) });
      await create((await context.group('snapshot')).storage, meta(2, 1));
      await (await context.group('term')).storage.write({ hardState: hard(2, 0) });
      const { storage } = await context.group('membership');
      await storage.write({ confState: { index: 0, state: conf(1) } });
      await context.group('nothing');
      const holding = ['membership', 'snapshot', 'term', 'vote'];
      assert.deepEqual(await (await context.engine()).listGroups(), holding);
      await context.closeEngine();
      assert.deepEqual(await (await context.engine()).listGroups(), holding);
    },
  },
  {
    id: 'groups/destroy-removes-one',
    title: 'destroying a group removes all of it and nothing of another whose name begins alike',
    level: 'durable',
    run: async (context) => {
      const ids = ['1', '10', '1:', '*', '1\0'];
      for (const [n, id] of ids.entries()) await fill(context, id, n);
      await context.closeEngine();
      const engine = await context.engine();
      await engine.destroyGroup('1');
      await engine.destroyGroup('*');
      assert.deepEqual(await engine.listGroups(), ['1\0', '10', '1:']);
      await context.closeEngine();
      assert.deepEqual(await (await context.engine()).listGroups(), ['1\0', '10', '1:']);
      for (const n of [1, 2, 4]) await verify(context, ids[n] ?? '', n);
      const fresh = await context.group('1');
      await sameGroup(fresh, {});
      assert.deepEqual(await fresh.storage.listSnapshots(), []);
    },
  },
  {
    id: 'groups/destroy-open-group-is-refused',
    title: 'an open group is not destroyed; a group that does not exist is destroyed without complaint',
    level: 'core',
    run: async (context) => {
      await fill(context, 'a', 1);
      const engine = await context.engine();
      await refuses(() => engine.destroyGroup('a'), 'INVALID_ARGUMENT');
      await engine.destroyGroup('b');
      await engine.group('a').close();
      await verify(context, 'a', 1);
    },
  },
  {
    id: 'groups/destroyed-group-starts-anew',
    title: 'a group that was destroyed can be filled again and has nothing of its former life',
    level: 'durable',
    run: async (context) => {
      const { storage } = await context.group('a');
      await storage.write({
        entries: run(1, 9, 7),
        hardState: hard(9, 9, 3),
        confState: { index: 4, state: conf(1, 2) },
      });
      await storage.compactTo(3);
      await create(storage, meta(5, 7));
      await storage.close();
      await (await context.engine()).destroyGroup('a');
      const anew = await context.group('a');
      await sameGroup(anew, {});
      await anew.storage.write({ entries: run(1, 2, 1), hardState: hard(1, 1) });
      const again = await context.reopen('a');
      await sameGroup(again, { entries: run(1, 2, 1), hardState: hard(1, 1) });
      assert.deepEqual(await again.storage.listSnapshots(), []);
    },
  },
];
