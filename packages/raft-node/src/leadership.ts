/** Notices when role, leader or term changed, and says so once. */
import type { NodeId, RaftCore, Term } from '@balsa/raft-core';
import type { NodeEmitter } from './events.ts';
import type { MetricsRecorder } from './metrics.ts';
import { roleOf, type NodeRole } from './status.ts';

export interface LeadershipOptions {
  readonly core: RaftCore;
  readonly events: NodeEmitter;
  readonly metrics: MetricsRecorder;
  /** This node leads no longer. */
  readonly onDeposed: () => void;
  /** Another leader, or none, or another term. */
  readonly onChange: (leader: NodeId) => void;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  #role: NodeRole = 'follower';
  #leader: NodeId = 0;
  #term: Term;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#term = options.core.term;
  }

  /** Cheap when nothing changed. */
  note(): void {
    const { core, events, metrics, onDeposed, onChange } = this.#options;
    const { term, leader } = core;
    const role = roleOf(core.state);
    const before = { role: this.#role, leader: this.#leader, term: this.#term };
    if (role === before.role && leader === before.leader && term === before.term) return;
    this.#role = role;
    this.#leader = leader;
    this.#term = term;
    if (role !== before.role) {
      if (role === 'candidate' || role === 'preCandidate') metrics.add('elections');
      if (before.role === 'leader') onDeposed();
      events.emit('role', { role, term });
    }
    if (leader !== before.leader) {
      metrics.add('leaderChanges');
      events.emit('leader', { leader: leader === 0 ? undefined : leader, term });
    }
    if (leader !== before.leader || term !== before.term) onChange(leader);
  }
}
