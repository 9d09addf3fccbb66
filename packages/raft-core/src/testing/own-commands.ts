/** Commands of our own transcripts, for what etcd's leave untested; testdata/README.md describes each. */
import { bare, boolean, firstNode, integer, refuse, twoNodes, valueOf } from './command-args.ts';
import type { Command } from './datadriven.ts';
import { utf8 } from '../go-text.ts';
import type { InteractionEnv } from './interaction-env.ts';

type Handler = (env: InteractionEnv, command: Command) => void;

function optional(command: Command, key: string): number | undefined {
  const value = valueOf(command, key);
  return value === undefined ? undefined : integer(value);
}

export const ownHandlers: Readonly<Record<string, Handler>> = {
  'read-index': (env, command) => {
    firstNode(env, command).core.readIndex(utf8(bare(command)[1] ?? ''));
  },
  'report-snapshot': (env, command) => {
    const [node, peer] = twoNodes(env, command);
    node.core.reportSnapshot(peer, boolean(valueOf(command, 'ok') ?? 'true'));
  },
  tick: (env, command) => {
    const { core } = firstNode(env, command);
    for (let i = integer(bare(command)[1] ?? '1'); i > 0; i--) core.tick();
  },
  'fetch-mode': (env, command) => {
    const mode = bare(command)[1];
    if (mode !== 'cold' && mode !== 'warm') refuse('fetch-mode is cold or warm');
    firstNode(env, command).storage.cold = mode === 'cold';
  },
  'answer-fetch': (env, command) => {
    const failed = valueOf(command, 'failed');
    if (failed !== undefined && failed !== 'compacted' && failed !== 'unavailable')
      refuse('a fetch fails as compacted or as unavailable');
    env.answerFetch(firstNode(env, command), failed);
  },
  'request-snapshot': (env, command) => {
    firstNode(env, command).extras.requestSnapshot();
  },
  'commit-groups': (env, command) => {
    const { extras } = firstNode(env, command);
    extras.enableGroupCommit(true);
    extras.assignCommitGroups(
      command.args
        .filter((arg) => arg.values.length > 0)
        .map((arg) => [integer(arg.key), integer(arg.values[0])] as const),
    );
  },
  'adjust-inflight': (env, command) => {
    const [node, peer] = twoNodes(env, command);
    node.extras.adjustMaxInflightMsgs(peer, integer(bare(command)[2]));
  },
  restart: (env, command) => {
    const node = firstNode(env, command);
    node.restart({
      applied: optional(command, 'applied'),
      term: optional(command, 'term'),
      vote: optional(command, 'vote'),
      commit: optional(command, 'commit'),
    });
  },
};
