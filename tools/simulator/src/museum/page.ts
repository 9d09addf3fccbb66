/** The page that shows what was caught, how fast and by what. */
import type { Exhibit } from './exhibit.ts';
import type { Outcome } from './results.ts';

/** An exhibit, and what its last hunt came to, if there was one. */
export interface Shown {
  readonly exhibit: Exhibit;
  readonly outcome: Outcome | undefined;
}

function row({ exhibit, outcome }: Shown): string {
  const { row: number, section, title, profile } = exhibit;
  const how =
    outcome?.caught === undefined
      ? [outcome === undefined ? 'not hunted' : 'not caught', '', '']
      : [String(outcome.caught.seeds), outcome.caught.seconds.toFixed(1), outcome.caught.rule];
  return `| ${[number, section, title.replaceAll('|', '/'), profile, ...how].join(' | ')} |`;
}

function notProved(shown: readonly Shown[]): string {
  const left = shown.filter(({ outcome }) => outcome?.caught === undefined);
  if (left.length === 0) return 'Nothing: every exhibit above is caught.';
  return left
    .map(({ exhibit, outcome }) => {
      const how =
        outcome === undefined
          ? 'not hunted in its present form'
          : `not caught in ${outcome.seeds} seeds, ${outcome.seconds.toFixed(0)} s`;
      return `- \`${exhibit.name}\`: ${how}`;
    })
    .join('\n');
}

/** Exhibits that were dropped: `museum/dropped.md`, as it is. */
export function formatPage(shown: readonly Shown[], dropped: string): string {
  const caught = shown.filter(({ outcome }) => outcome?.caught !== undefined);
  const perSection = new Map<string, number>();
  for (const { exhibit } of caught)
    perSection.set(exhibit.section, (perSection.get(exhibit.section) ?? 0) + 1);
  const sections = [...perSection].sort(([a], [b]) => (a < b ? -1 : 1));
  return `# The bug museum: the simulator

Bugs that other implementations of Raft had, and those that simulation found here, each put into a copy of this
repository and hunted by the simulator: ${caught.length} of ${shown.length} are caught. The patches are in
\`tools/simulator/museum\`; the rows are those of the project’s list of such bugs, the sections its chapters (2.1 votes,
2.2 pre-vote, lease and transfer, 2.3 reads, 2.4 commit, 2.5 append and log, 2.6 snapshots, 2.7 membership, 2.8 Ready
and flow control). Seeds are counted from 1 within the profile, at most 2000; times are of one process beside other work.
Each seed that caught a bug was run on the unchanged code as well, where it breaks no rule.

\`npm run museum\` hunts them all and ends with 1 unless all are caught; a patch that no longer applies fails it and the
tests. \`--write\` puts what was found into \`docs/data/museum.json\` and this page, exhibit by exhibit, so that a long run can be
made in pieces: \`--only NAME,NAME\` takes some, \`--missing\` those that are not caught so far in their present form, \`--page\`
writes the page alone.

Caught by section: ${sections.map(([section, count]) => `${section}: ${count}`).join(', ')}.

<!-- prettier-ignore -->
| row | section | what goes wrong | profile | seeds | seconds | caught by |
| --- | --- | --- | --- | --- | --- | --- |
${shown.map(row).join('\n')}

## Not proved yet

${notProved(shown)}

${dropped}`;
}
