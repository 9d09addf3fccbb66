/** Counts what a node and its own core say to each other: messages that never travel. */
import { isLocalMsgTarget, MessageType, type RaftCore } from '@balsa/raft-core';
import type { Coverage } from './coverage.ts';

/** Calls that become messages inside the core. */
const calls = {
  propose: MessageType.MsgProp,
  proposeBatch: MessageType.MsgProp,
  proposeConfChange: MessageType.MsgProp,
  reportUnreachable: MessageType.MsgUnreachable,
  reportSnapshot: MessageType.MsgSnapStatus,
  transferLeader: MessageType.MsgTransferLeader,
} as const;

export function countInputs(core: RaftCore, coverage: Coverage): void {
  const methods = core as unknown as Record<string, (...input: unknown[]) => unknown>;
  for (const [name, type] of Object.entries(calls)) {
    const call = methods[name]?.bind(core);
    if (call === undefined) throw new Error(`the core has no ${name}`);
    methods[name] = (...input) => {
      coverage.message(type);
      return call(...input);
    };
  }
  const ready = core.ready.bind(core);
  core.ready = () => {
    const given = ready();
    for (const { to, type } of given.messages) if (isLocalMsgTarget(to)) coverage.message(type);
    return given;
  };
  const step = core.step.bind(core);
  core.step = (message) => {
    const { type } = message;
    if (type === MessageType.MsgStorageAppendResp || type === MessageType.MsgStorageApplyResp)
      coverage.message(type);
    step(message);
  };
}
