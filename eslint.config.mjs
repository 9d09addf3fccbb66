import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Time and chance come in through Env; everything here would let them in by the back door. */
const worldGlobals = [
  ...['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({
    name,
    message: 'Use Env.setTimer: time comes in through Env only.',
  })),
  { name: 'performance', message: 'Use Env.now.' },
];

const worldProperties = [
  { object: 'Date', property: 'now', message: 'Use Env.now.' },
  { object: 'performance', property: 'now', message: 'Use Env.now.' },
  { object: 'Math', property: 'random', message: 'Use Env.random.' },
  { object: 'crypto', property: 'randomUUID', message: 'Use randomHex64(env).' },
];

const worldImports = [
  {
    name: 'node:crypto',
    importNames: ['randomUUID', 'randomBytes', 'randomInt'],
    message: 'Use Env.random.',
  },
  { name: 'node:timers', message: 'Use Env.setTimer.' },
  { name: 'node:timers/promises', message: 'Use Env.setTimer.' },
  { name: 'node:perf_hooks', message: 'Use Env.now.' },
];

const noDefaultExport = {
  selector: 'ExportDefaultDeclaration',
  message: 'Named exports only: a thing has the same name everywhere.',
};

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '**/coverage/**',
      '**/.balsa/**',
      '**/.nx/**',
      '**/.tmp/**',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,

  // Everything in TypeScript: sources, tests, examples.
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { project: ['./tsconfig.tests.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': ['error', noDefaultExport],
      eqeqeq: 'error',
      'prefer-const': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Numbers and booleans in a text say what they say.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `() => list.push(x)` as a callback is clear enough.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // A method that keeps an asynchronous contract may have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      // `for (;;)` and `while (true)` are how a loop says that it ends inside.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
    },
  },

  // Sources: small rooms, and no world but through Env.
  {
    files: ['packages/*/src/**/*.ts', 'test-suite/src/**/*.ts', 'tools/*/src/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 500 }],
      'max-lines-per-function': ['error', { max: 70, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    files: ['packages/*/src/**/*.ts', 'test-suite/src/**/*.ts'],
    ignores: ['**/real-env.ts'],
    rules: {
      'no-restricted-globals': ['error', ...worldGlobals],
      'no-restricted-properties': ['error', ...worldProperties],
      'no-restricted-imports': ['error', { paths: worldImports }],
    },
  },

  // raft-core runs in a browser: nothing of Node's at all.
  {
    files: ['packages/raft-core/src/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...worldGlobals,
        ...['Date', 'process', 'Buffer', 'global', 'require', '__dirname', 'crypto', 'queueMicrotask'].map(
          (name) => ({
            name,
            message: 'raft-core has no clock, no chance and nothing of Node.',
          }),
        ),
      ],
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^(?!\\.{1,2}/)', message: 'raft-core imports nothing but itself.' }] },
      ],
    },
  },

  // Tools talk to people and live in real time.
  { files: ['tools/**/*.ts', 'examples/**/*.ts'], rules: { 'no-console': 'off' } },

  // Tests set up impossible things on purpose.
  {
    files: ['**/test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },

  // What a tool reads through its default export.
  { files: ['vitest.config.ts'], rules: { 'no-restricted-syntax': 'off' } },

  // Scripts run before anything is installed; they are plain JavaScript.
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'URL',
          'setInterval',
          'clearInterval',
          'setTimeout',
          'clearTimeout',
          'Buffer',
          'console',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
);
