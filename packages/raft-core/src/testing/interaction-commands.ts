/** The commands of etcd's interaction transcripts. */
import { parseConfChanges } from '../conf-change/conf-change.ts';
import { BalsaError } from '../errors.ts';
import { Message, MessageType } from '../message.ts';
import { stateTypeName } from '../names.ts';
import { ConfChangeTransition, EmptyBytes, type ConfChange, type NodeId, type Snapshot } from '../types.ts';
import { bare, boolean, firstNode, integer, nodesOf, refuse, valueOf } from './command-args.ts';
import type { Command } from './datadriven.ts';
import { describeMessage, messageTypeOf } from '../describe.ts';
import { utf8 } from '../go-text.ts';
import { EmptySnapshot, transcriptError, type Delivery, type InteractionEnv } from './interaction-env.ts';
import { nodeOptions } from './node-options.ts';
import { ownHandlers } from './own-commands.ts';
import type { TranscriptNode } from './transcript-node.ts';

type Handler = (env: InteractionEnv, command: Command) => void;

/** Runs `work` for each node; under a heading for each when there are several. */
function each(doing: string, work: (env: InteractionEnv, node: TranscriptNode) => void): Handler {
  return (env, command) => {
    const nodes = nodesOf(env, command);
    for (const node of nodes) {
      if (nodes.length > 1) {
        env.output.write(`> ${String(node.id)} ${doing}\n`);
        env.output.indented(() => {
          work(env, node);
        });
      } else work(env, node);
    }
  };
}

/** The snapshot that new nodes start from; the empty one when nothing was said of members or index. */
function startSnapshot(command: Command, least: number): Snapshot {
  const ids = (key: string): NodeId[] =>
    (command.args.find((arg) => arg.key === key)?.values ?? []).map(integer).sort((a, b) => a - b);
  const voters = ids('voters');
  const learners = ids('learners');
  const index = integer(valueOf(command, 'index') ?? '0');
  const data = utf8(valueOf(command, 'content') ?? '');
  if (voters.length + learners.length + index + data.length === 0) return EmptySnapshot;
  if (index < least) refuse('index must be specified as > 1 due to bootstrap');
  const confState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
  return { data, metadata: { index, term: 1, confState } };
}

const transitions: Readonly<Record<string, ConfChangeTransition>> = {
  auto: ConfChangeTransition.Auto,
  implicit: ConfChangeTransition.Implicit,
  explicit: ConfChangeTransition.Explicit,
};

function proposedChange(command: Command): ConfChange {
  const changes = parseConfChanges(command.input);
  const name = valueOf(command, 'transition') ?? 'auto';
  const transition = transitions[name] ?? refuse(`unknown transition ${name}`);
  if (!boolean(valueOf(command, 'v1') ?? 'false'))
    return { version: 2, transition, changes, context: EmptyBytes };
  const [single, ...more] = changes;
  if (single === undefined || more.length > 0 || transition !== ConfChangeTransition.Auto) {
    refuse('v1 conf change can only have one operation and no transition');
  }
  return { version: 1, id: 0, ...single, context: EmptyBytes };
}

function deliveries(command: Command): Delivery[] {
  const delivered = bare(command).map((key) => ({ to: integer(key), drop: false }));
  const dropped = command.args
    .filter((arg) => arg.key === 'drop')
    .flatMap((arg) => arg.values.map((value) => ({ to: integer(value), drop: true })));
  for (const { to } of dropped) {
    if (delivered.some((other) => other.to === to))
      refuse(`can't both deliver and drop msgs to ${String(to)}`);
  }
  return [...delivered, ...dropped];
}

function deliverMessages(env: InteractionEnv, command: Command): void {
  const name = valueOf(command, 'type');
  const type =
    name === undefined ? undefined : (messageTypeOf(name) ?? refuse(`unknown message type ${name}`));
  if (env.deliver(deliveries(command), type) === 0) env.output.write('no messages\n');
}

function stabilize(env: InteractionEnv, command: Command): void {
  const nodes = nodesOf(env, command);
  const level = valueOf(command, 'log-level');
  const restore = level === undefined ? undefined : env.output.setLevel(level);
  try {
    env.stabilize(nodes.length > 0 ? nodes : env.nodes);
  } finally {
    restore?.();
  }
}

function raftState(env: InteractionEnv): void {
  for (const { core } of env.nodes) {
    const { id, state, term, leader, confState } = core.status();
    const voter = confState.voters.includes(id) || confState.votersOutgoing.includes(id);
    env.output.write(
      `${String(id)}: ${stateTypeName(state)} (${voter ? 'Voter' : 'Non-Voter'}) ` +
        `Term:${String(term)} Lead:${String(leader)}\n`,
    );
  }
}

function sendSnapshot(env: InteractionEnv, command: Command): void {
  const [from, to] = nodesOf(env, command);
  if (from === undefined || to === undefined) refuse('send-snapshot needs two nodes');
  const message = new Message(MessageType.MsgSnap, {
    term: from.core.term,
    from: from.id,
    to: to.id,
    snapshot: from.newestSnapshot,
  });
  env.enqueue(message);
  env.output.write(describeMessage(message));
}

function ticks(count: (node: TranscriptNode) => number): Handler {
  return (env, command) => {
    const node = firstNode(env, command);
    for (let i = count(node); i > 0; i--) node.core.tick();
  };
}

const handlers: Readonly<Record<string, Handler>> = {
  _breakpoint: () => undefined,
  'add-nodes': (env, command) => {
    env.addNodes(
      integer(command.args[0]?.key),
      nodeOptions(command.args.slice(1)),
      startSnapshot(command, 2),
    );
  },
  ...ownHandlers,
  // As a cluster is founded: the membership at index 1 of term 1, and nothing else in the store.
  'found-nodes': (env, command) => {
    const found = { ...command, args: [...command.args, { key: 'index', values: ['1'] }] };
    env.addNodes(integer(command.args[0]?.key), nodeOptions(command.args.slice(1)), startSnapshot(found, 1));
  },
  campaign: (env, command) => {
    firstNode(env, command).core.campaign();
  },
  compact: (env, command) => {
    const node = firstNode(env, command);
    const index = integer(bare(command)[1]);
    node.storage.compact(index);
    node.core.compacted(index);
    env.raftLog(node);
  },
  'deliver-msgs': deliverMessages,
  'forget-leader': (env, command) => {
    firstNode(env, command).core.forgetLeader();
  },
  'log-level': (env, command) => {
    env.output.setLevel(bare(command)[0] ?? '');
  },
  'process-append-thread': each('processing append thread', (env, node) => {
    env.processAppendThread(node);
  }),
  'process-apply-thread': each('processing apply thread', (env, node) => {
    env.processApplyThread(node);
  }),
  'process-ready': each('handling Ready', (env, node) => {
    env.processReady(node);
  }),
  propose: (env, command) => {
    firstNode(env, command).core.propose(utf8(command.args[1]?.key ?? ''));
  },
  'propose-conf-change': (env, command) => {
    firstNode(env, command).core.proposeConfChange(proposedChange(command));
  },
  'raft-log': (env, command) => {
    env.raftLog(firstNode(env, command));
  },
  'raft-state': raftState,
  'report-unreachable': (env, command) => {
    const [by, peer] = nodesOf(env, command);
    if (by === undefined || peer === undefined) refuse('report-unreachable needs two nodes');
    by.core.reportUnreachable(peer.id);
  },
  'send-snapshot': sendSnapshot,
  'set-randomized-election-timeout': (env, command) => {
    firstNode(env, command).setRandomizedElectionTimeout(integer(valueOf(command, 'timeout')));
  },
  stabilize,
  status: (env, command) => {
    env.output.write(firstNode(env, command).progressText());
  },
  'tick-election': ticks((node) => node.config.electionTick),
  'tick-heartbeat': ticks((node) => node.config.heartbeatTick),
  'transfer-leadership': (env, command) => {
    env.node(integer(valueOf(command, 'from'))).core.transferLeader(integer(valueOf(command, 'to')));
  },
};

/** Runs one command; gives what it and the nodes printed, or `ok` when that is nothing. */
export function handleInteractionCommand(env: InteractionEnv, command: Command): string {
  const handler = handlers[command.name];
  if (handler === undefined) throw new BalsaError('INVALID_ARGUMENT', `unknown command: ${command.name}`);
  let failure = '';
  try {
    handler(env, command);
  } catch (error) {
    failure = transcriptError(error);
  }
  // Errors show also where everything else is silenced.
  const text = env.output.take() + failure;
  return text === '' ? 'ok' : text;
}
