/** The arrows of the house: who may import whom. Each rule says it once; `npm run verify` holds the tree to it. */

const arrow = (name, comment, from, allowed) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^${from}/src/` },
  // Whatever lies in the repository, is not this package, and is not one that it may know.
  to: { path: '^(packages|test-suite|tools|examples)/', pathNot: `^(${[from, ...allowed].join('|')})/` },
});

const core = 'packages/raft-core';

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle has no beginning to read it from.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'nothing-unresolved',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'core-is-alone',
      comment: 'raft-core imports nothing: no package, nothing of Node.',
      severity: 'error',
      from: { path: `^${core}/src/` },
      to: { pathNot: `^${core}/src/` },
    },
    arrow(
      'suite-knows-core',
      'The conformance suite judges any store by the contracts alone.',
      'test-suite',
      [core],
    ),
    arrow('runtime-knows-core', 'The runtime knows contracts, never an adapter.', 'packages/raft-node', [
      core,
    ]),
    arrow('kit-knows-core', 'The helpers of adapters know the contracts only.', 'packages/storage-kit', [
      core,
    ]),
    arrow('transport-knows-core', 'A transport knows the contracts only.', 'packages/transport-[^/]+', [
      core,
    ]),
    arrow('adapter-knows-core-and-kit', 'No adapter knows another.', 'packages/storage-(?!kit/)[^/]+', [
      core,
      'packages/storage-kit',
    ]),
    arrow('kv-knows-runtime', 'The key-value service runs on any adapter.', 'packages/kv', [
      core,
      'packages/raft-node',
    ]),
    {
      name: 'no-adapter-knows-another',
      comment: 'The rule above cannot tell two adapters apart; this one can.',
      severity: 'error',
      from: { path: '^packages/(storage-(?!kit)[^/]+|transport-[^/]+)/src/' },
      to: { path: '^packages/(storage-(?!kit)[^/]+|transport-[^/]+)/', pathNot: '^packages/$1/' },
    },
    {
      name: 'packages-know-no-tools',
      comment: 'Only tools and examples combine.',
      severity: 'error',
      from: { path: '^(packages|test-suite)/[^/]+/src/|^test-suite/src/' },
      to: { path: '^(tools|examples)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Jest's example is no part of the workspace.
    exclude: { path: '(^|/)dist/|^examples/conformance-jest/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.tests.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@balsa/source', 'import', 'node', 'default', 'types'],
    },
  },
};
