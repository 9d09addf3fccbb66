/** A group's record as bytes, again and again. What seldom changes is kept as text. */
import type { ConfState, LogIndex, SnapshotId } from '@balsa/raft-core';
import { groupKey } from './keys.ts';
import { RecordWriter, ascii } from './record-writer.ts';
import type { GroupRecord } from './records.ts';

const { comma, open, close } = ascii;
const nothing = Buffer.from('null');

/** Numbers in a record beside those of its texts. */
const numbers = 12;

/** For one group; each record is to be copied before the next is made. What it makes, `unpackGroup` reads. */
export class GroupWriter {
  readonly id: number;
  readonly #writer: RecordWriter;
  #log: number | undefined;
  #conf: ConfState | undefined;
  #confIndex: LogIndex | undefined;
  #pending: SnapshotId | null = null;
  /** Up to the term. */
  #head: Buffer = nothing;
  /** From the membership's index up to the boundary. */
  #middle: Buffer = nothing;
  #tail: Buffer = nothing;

  constructor(id: number) {
    this.id = id;
    this.#writer = new RecordWriter(groupKey(id));
  }

  get key(): Buffer {
    return this.#writer.key;
  }

  seal(record: GroupRecord): Buffer {
    this.#keep(record);
    const writer = this.#writer;
    writer.begin(numbers, this.#head.length + this.#middle.length + this.#tail.length);
    writer.text(this.#head);
    writer.number(record.term, comma);
    writer.number(record.vote, comma);
    writer.number(record.commit, close);
    writer.text(this.#middle);
    writer.number(record.boundaryIndex, comma);
    writer.number(record.boundaryTerm, comma);
    writer.number(record.boundary.chain, comma);
    writer.number(record.boundary.offset, close);
    writer.character(comma);
    writer.character(open);
    writer.number(record.lastIndex, comma);
    writer.number(record.last.chain, comma);
    writer.number(record.last.offset, close);
    writer.character(comma);
    writer.character(open);
    writer.number(record.clearedIndex, comma);
    writer.number(record.clearedOffset, close);
    writer.text(this.#tail);
    return writer.sealed();
  }

  /** Renews the texts that are not those of `record`. */
  #keep({ id, name, log, conf, confIndex, pending }: GroupRecord): void {
    if (log !== this.#log) {
      this.#log = log;
      this.#head = Buffer.from(`[${id},${JSON.stringify(name)},${log},[`);
    }
    // Nobody changes a conf state that was given to a plan: another is another object.
    if (conf !== this.#conf || confIndex !== this.#confIndex) {
      this.#conf = conf;
      this.#confIndex = confIndex;
      const { voters, votersOutgoing, learners, learnersNext, autoLeave } = conf;
      const lists = JSON.stringify([voters, votersOutgoing, learners, learnersNext, autoLeave]);
      this.#middle = Buffer.from(`,${confIndex},${lists},[`);
    }
    if (pending !== this.#pending || this.#tail === nothing) {
      this.#pending = pending;
      this.#tail = Buffer.from(`,${JSON.stringify(pending)}]`);
    }
  }
}
