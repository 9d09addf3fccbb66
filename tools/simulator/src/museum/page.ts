/** The page that shows what was caught, how fast and by what. */
import type { Exhibit } from './exhibit.ts';

export interface Catch {
  readonly exhibit: Exhibit;
  readonly caught:
    | {
        readonly seeds: number;
        readonly seconds: number;
        readonly events: number;
        readonly rule: string;
        readonly message: string;
      }
    | undefined;
  /** What the hunt said last. */
  readonly last: string;
}

export function formatPage(results: readonly Catch[]): string {
  const rows = results.map(({ exhibit, caught }) => {
    const { row, section, title, profile } = exhibit;
    const cells =
      caught === undefined
        ? ['not caught', '', '']
        : [String(caught.seeds), caught.seconds.toFixed(1), caught.rule];
    return `| ${[row, section, title.replaceAll('|', '/'), profile, ...cells].join(' | ')} |`;
  });
  const caught = results.filter((one) => one.caught !== undefined).length;
  return `# The bug museum: the simulator

Bugs that other implementations of Raft had, and those that simulation found here, each put into a copy of this
repository and hunted by the simulator: ${caught} of ${results.length} are caught. The patches are in
\`tools/simulator/museum\`; the rows are those of the project’s list of such bugs, the sections its chapters (2.1 votes,
2.2 pre-vote, lease and transfer, 2.3 reads, 2.4 commit, 2.5 append and log, 2.6 snapshots, 2.7 membership, 2.8 Ready
and flow control). Seeds are counted from 1 within the profile; times are of one process beside other work.
This page is written by \`npm run museum -- --write\`; a patch that no longer applies fails that command and the tests.

<!-- prettier-ignore -->
| row | section | what goes wrong | profile | seeds | seconds | caught by |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
