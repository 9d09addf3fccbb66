/** What the commands that are scripts take, and say when asked for --help. The others answer for themselves. */
const usages = {
  test: `Runs every test, and ends with one line that counts them. Installs and builds what is missing.

  --project NAME   of one package, as in vitest.config.ts: raft-core, kv, cli, ...; may be repeated
  FILE             those of files whose path has this in it
  -t PATTERN       those whose name matches

and whatever else vitest run takes. Exit code 1 when a test failed.`,
  verify: `Looks at everything and changes nothing: lint, types, dead code, arrows, format, packages, pages.

  NAME             this check alone; may be repeated: npm run verify -- lint "types of tests"

Exit codes: 0 when all holds, 1 when something does not, 2 for a check that does not exist.`,
  fix: 'Mends what can be mended by itself: formatting, what the linter can, generated pages. Takes no arguments.',
  build: 'Compiles what changed. Takes no arguments.',
  clean: `Removes what can be made again, and says what it removed.

  --all            node_modules as well`,
  'etcd-testdata': `Runs etcd's data-driven transcripts against raft-core, byte for byte.

  DIR              every *.txt below it; may be repeated. Without: those of this repository, and the ones
                   of ../shared where they are

Exit code 1 when a command's output differs, or when there is nothing to run.`,
};

/** Commands that take nothing, or what is said here. */
const allowed = { fix: [], build: [], clean: ['--all'] };

const asksForHelp = (args) => {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
};

/** The text to print for --help, when this command is one of ours. */
export function helpOf(name, args) {
  if (!Object.hasOwn(usages, name) || !asksForHelp(args)) return undefined;
  return `usage: npm run ${name} -- [arguments]\n\n${usages[name]}\n`;
}

/** What is wrong with the arguments of a command that takes few; it would be ignored, and something else done. */
export function complaintOf(name, args) {
  const known = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
  const strange = known === undefined ? [] : args.filter((arg) => !known.includes(arg));
  if (strange.length === 0) return undefined;
  return `npm run ${name} does not take ${strange.join(' ')}; npm run ${name} -- --help says what it takes`;
}
