/** The core runs where nothing is but the language: bundled, in a context without Node's or a browser's globals. */
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { build } from 'vite';
import { expect, test } from 'vitest';

const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url));

interface Bundle {
  readonly imports: readonly string[];
  readonly code: string;
}

/** One script that leaves the exports of raft-core in `core`. What cannot be bundled shows in `imports`. */
async function bundle(): Promise<Bundle> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: false,
      target: 'es2023',
      lib: { entry, formats: ['iife'], name: 'core' },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('the bundler gave no output');
  const [chunk] = output.output;
  return { imports: [...chunk.imports, ...chunk.dynamicImports], code: chunk.code };
}

/** Runs as text in the bare context: three members elect the first and commit what it proposes. */
const story = `
  const confState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const initial = {
    hardState: { term: 1, vote: 0, commit: 1 },
    confState,
    outline: { boundary: { index: 1, term: 1 }, runs: [], confIndexes: [], lastIndex: 1 },
  };
  const nodes = confState.voters.map(
    (id) => new core.RawNode({ id, random: () => 0.5, asyncStorageWrites: false }, initial),
  );
  const settle = () => {
    for (let busy = true; busy; ) {
      busy = false;
      for (const node of nodes) {
        if (!node.hasReady()) continue;
        busy = true;
        const ready = node.ready();
        node.advance(ready);
        // Through the codec, as on a wire.
        for (const m of ready.messages) {
          const bytes = new Uint8Array(core.messageSize(m));
          core.encodeMessage(m, bytes, 0);
          nodes[m.to - 1].step(core.decodeMessage(bytes));
        }
      }
    }
  };
  nodes[0].campaign();
  settle();
  nodes[0].propose(Uint8Array.of(1, 2, 3));
  settle();
  JSON.stringify(nodes.map((node) => [node.state, node.term, node.committed]));
`;

test('bundled without any built-in of Node, the core elects and commits in a bare context', async () => {
  const { imports, code } = await bundle();
  expect(imports).toEqual([]);
  expect(code).not.toMatch(/["']node:/);
  const context = createContext(Object.create(null) as object);
  expect(
    runInContext('typeof process + typeof Buffer + typeof setTimeout + typeof TextEncoder', context),
  ).toBe('undefined'.repeat(4));
  const states = runInContext(`${code};${story}`, context) as string;
  expect(JSON.parse(states)).toEqual([
    [2, 2, 3],
    [0, 2, 3],
    [0, 2, 3],
  ]);
});
