/** What a machine has around it: the part of the world that it asks and tells. */
import type { ConfState, LogIndex, Message, NodeId, Tracer } from '@balsa/raft-core';
import type { Member, SnapshotProgress } from '@balsa/raft-node';
import type { MemoryNetwork } from '@balsa/transport-memory';
import type { AppliedBook } from '../judge/history-of-state.ts';
import type { Judge } from '../judge/judge.ts';
import type { Plan } from '../plan.ts';
import type { Clock } from './clock.ts';
import type { Coverage } from './coverage.ts';
import type { Cuts } from './cuts.ts';

/** `M` is the machine itself. */
export interface Surroundings<M> {
  readonly plan: Plan;
  readonly clock: Clock;
  readonly judge: Judge;
  readonly applied: AppliedBook;
  readonly coverage: Coverage;
  readonly network: MemoryNetwork;
  readonly cuts: Cuts;
  readonly founders: readonly Member[];
  readonly tracer: Tracer | undefined;
  /** Chance that a message stays on its way for long. */
  readonly late: number;
  /** Whoever starts from now on has pre-vote, where the plan has it here on and there off. */
  readonly rolledOut: boolean;
  isClogged(from: NodeId, to: NodeId): boolean;
  onSend(node: NodeId, message: Message): void;
  onReceive(node: NodeId, message: Message): void;
  onDisk(node: NodeId, what: string, path: string): void;
  onLog(node: NodeId, text: string): void;
  onLife(node: NodeId, what: string): void;
  onMembership(node: NodeId, index: LogIndex, confState: ConfState): void;
  learnMembership(index: LogIndex, confState: ConfState): void;
  onSnapshot(node: NodeId, progress: SnapshotProgress): void;
  onStoppedByItself(machine: M): void;
}
