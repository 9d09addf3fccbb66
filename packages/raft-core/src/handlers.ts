/** The shape of the dispatch tables: one small handler for each type of message that a role cares about. */
import type { Message, MessageType } from './message.ts';
import type { Raft } from './raft.ts';

export type Handler = (raft: Raft, message: Message) => void;
export type Handlers = Readonly<Partial<Record<MessageType, Handler>>>;
