/**
 * A bug of another implementation, as a change to ours.
 *
 *   # 30 (2.4) logcabin #44: commits an entry of an earlier term by counting
 *   profile: swarm
 *   events: 5000 (of the faults' phase of each seed; this many unless given)
 *   file: packages/raft-core/src/raft-log.ts
 *   <<<<
 *   what stands there, exactly once
 *   ====
 *   what stands there in the copy
 *   >>>>
 *
 * Several files and changes may follow. Lines between the marks are taken as they are.
 */
import { profileNames, type ProfileName } from '../plan.ts';

export interface Change {
  readonly file: string;
  readonly search: string;
  readonly replace: string;
}

export interface Exhibit {
  readonly name: string;
  /** Row of the list of bugs; several exhibits may show one. */
  readonly row: string;
  readonly section: string;
  readonly title: string;
  readonly profile: ProfileName;
  /** Of the phase of faults of each seed. */
  readonly events: number;
  readonly changes: readonly Change[];
}

export function parseExhibit(name: string, text: string): Exhibit {
  const refuse = (what: string): never => {
    throw new Error(`${name}: ${what}`);
  };
  const heading = /^# (\S+) \(([\d.]+|own)\) (.+)$/m.exec(text);
  const profile = profileNames.find((one) => one === /^profile: (\S+)$/m.exec(text)?.[1]);
  if (heading === null) return refuse('it begins with "# row (section) source: what goes wrong"');
  if (profile === undefined) return refuse(`"profile:" must name one of ${profileNames.join(', ')}`);
  const events = Number(/^events: (\d+)$/m.exec(text)?.[1] ?? 5000);
  const changes: Change[] = [];
  let file: string | undefined;
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (line.startsWith('file: ')) file = line.slice('file: '.length);
    if (line !== '<<<<') continue;
    const middle = lines.indexOf('====', at);
    const end = lines.indexOf('>>>>', at);
    if (file === undefined || middle < 0 || end < middle) return refuse('a change is not whole');
    changes.push({
      file,
      search: lines.slice(at + 1, middle).join('\n'),
      replace: lines.slice(middle + 1, end).join('\n'),
    });
    at = end;
  }
  if (changes.length === 0) return refuse('it changes nothing');
  const [, row = '', section = '', title = ''] = heading;
  return { name, row, section, title, profile, events, changes };
}

/** The text with the change made. Throws when what it looks for is not there exactly once. */
export function applyChange(text: string, { file, search, replace }: Change): string {
  const parts = text.split(search);
  if (parts.length === 2) return parts.join(replace);
  throw new Error(
    `in ${file} what is to be changed is there ${parts.length - 1} times, not once:\n${search}`,
  );
}
