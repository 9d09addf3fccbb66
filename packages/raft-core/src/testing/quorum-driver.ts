/** The commands of etcd's quorum tests: `committed` and `vote`. */
import { JointConfig } from '../quorum/joint.ts';
import { CommittedInfinity, formatIds, MajorityConfig, type AckedIndexer } from '../quorum/majority.ts';
import { groupCommitted } from '../quorum/group-commit.ts';
import { voteResultName } from '../quorum/vote-result.ts';
import { BalsaError } from '../errors.ts';
import type { LogIndex, NodeId } from '../types.ts';
import type { Command } from './datadriven.ts';

interface Setup {
  readonly config: JointConfig;
  readonly joint: boolean;
  /** What was said of each voter; `_` where nothing is known. */
  readonly said: ReadonlyMap<NodeId, string>;
  readonly complete: boolean;
}

function setup(command: Command, inputKey: string): Setup {
  const values = (key: string): readonly string[] =>
    command.args.find((arg) => arg.key === key)?.values ?? [];
  const ids = values('cfg').map(Number);
  const second = values('cfgj');
  const joint = command.args.some((arg) => arg.key === 'cfgj');
  const idsj = second[0] === 'zero' ? [] : second.map(Number);
  const input = values(inputKey);
  const voters = [...new Set([...ids, ...idsj])];
  return {
    config: new JointConfig(new MajorityConfig(ids), new MajorityConfig(idsj)),
    joint,
    said: new Map(voters.map((id, i) => [id, input[i] ?? '_'])),
    complete: voters.length === input.length,
  };
}

/** Runs one command and gives its output. Throws `INVALID_ARGUMENT` for an unknown one. */
export function handleQuorumCommand(command: Command): string {
  if (command.name === 'group_committed') return groupCommittedText(command);
  if (command.name !== 'committed' && command.name !== 'vote') {
    throw new BalsaError('INVALID_ARGUMENT', `unknown command: ${command.name}`);
  }
  const key = command.name === 'vote' ? 'votes' : 'idx';
  const made = setup(command, key);
  if (!made.complete) {
    return `error: mismatched input (explicit or _) for voters ${formatIds(made.config.ids())}: ${key}`;
  }
  return command.name === 'vote' ? vote(made) : committed(made);
}

function vote({ config, said }: Setup): string {
  const votes = new Map<NodeId, boolean>();
  for (const [id, text] of said) if (text !== '_') votes.set(id, text === 'y');
  const result = config.voteResult(votes);
  const swapped = new JointConfig(config.outgoing, config.incoming).voteResult(votes);
  const asymmetric = swapped === result ? '' : `${voteResultName(swapped)} <-- via symmetry\n`;
  return `${asymmetric}${voteResultName(result)}\n`;
}

function committed({ config, joint, said }: Setup): string {
  const acked = new Map<NodeId, LogIndex>();
  for (const [id, text] of said) if (text !== '_' && text !== '0') acked.set(id, Number(text));
  const of: AckedIndexer = (id) => acked.get(id);
  const result = config.committedIndex(of);
  let text = describeQuorum(config.ids(), of);
  // Other ways to the same result; they print only when they disagree.
  const others: readonly (readonly [string, JointConfig])[] = joint
    ? [['via symmetry', new JointConfig(config.outgoing, config.incoming)]]
    : [
        ['zero-joint quorum', new JointConfig(config.incoming)],
        ['self-joint quorum', new JointConfig(config.incoming, config.incoming)],
      ];
  for (const [name, other] of others) {
    const index = other.committedIndex(of);
    if (index !== result) text += `${indexText(index)} <-- ${name}\n`;
  }
  return `${text}${indexText(result)}\n`;
}

/** raft-rs's: `gid` says the group of each voter. */
function groupCommittedText(command: Command): string {
  const made = setup(command, 'idx');
  const groups = setup(command, 'gid');
  if (!made.complete || !groups.complete) return 'error: mismatched input for voters';
  const of = (said: ReadonlyMap<NodeId, string>, id: NodeId): number | undefined => {
    const text = said.get(id) ?? '_';
    return text === '_' ? undefined : Number(text);
  };
  const outcome = (config: JointConfig): LogIndex =>
    groupCommitted(
      config,
      (id) => of(made.said, id),
      (id) => of(groups.said, id) ?? 0,
    ).index;
  const index = outcome(made.config);
  const swapped = outcome(new JointConfig(made.config.outgoing, made.config.incoming));
  return `${swapped === index ? '' : `${indexText(swapped)} <-- via symmetry\n`}${indexText(index)}\n`;
}

function indexText(index: LogIndex): string {
  return index === CommittedInfinity ? '∞' : String(index);
}

/** A chart: the bar of a voter is as long as the number of voters strictly behind it. */
export function describeQuorum(ids: readonly NodeId[], acked: AckedIndexer): string {
  if (ids.length === 0) return '<empty majority quorum>';
  const n = ids.length;
  const indexes = ids.map((id) => acked(id) ?? 0);
  const rows = ids.map((id, i) => {
    const index = indexes[i] ?? 0;
    const bar = indexes.filter((other) => other < index).length;
    const drawn = acked(id) === undefined ? `?${' '.repeat(n)}` : `${'x'.repeat(bar)}>${' '.repeat(n - bar)}`;
    return `${drawn} ${String(index).padStart(5)}    (id=${id.toString(16)})\n`;
  });
  return `${' '.repeat(n)}    idx\n${rows.join('')}`;
}
