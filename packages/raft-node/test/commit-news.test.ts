import { EmptyConfState, Entry, Message, MessageType } from '@balsa/raft-core';
import { createVirtualEnv } from '@balsa/transport-memory';
import { describe, expect, test } from 'vitest';
import { CommitNews } from '../src/commit-news.ts';

const news = (to: number, commit: number): Message => new Message(MessageType.MsgApp, { to, commit });
const entries = (to: number): Message =>
  new Message(MessageType.MsgApp, { to, commit: 9, entries: [new Entry(1, 10)] });

function leader(
  holdMs: number,
  isUrgent = (): boolean => false,
): {
  env: ReturnType<typeof createVirtualEnv>;
  commits: CommitNews;
  sent: Message[];
} {
  const env = createVirtualEnv({ seed: 1 });
  const sent: Message[] = [];
  const commits = new CommitNews(env, holdMs, isUrgent, (messages) => sent.push(...messages));
  return { env, sent, commits };
}

/** Two writes, one right after the other, to both peers. */
async function writes({ env, commits }: ReturnType<typeof leader>): Promise<void> {
  for (let i = 0; i < 2; i++) {
    expect([2, 3].map((to) => commits.admits(entries(to)))).toEqual([true, true]);
    await env.advance(1);
  }
}

describe('an append without entries', () => {
  test('is sent after the time while entries come steadily, the newest of each peer', async () => {
    const all = leader(5);
    const { env, commits, sent } = all;
    await writes(all);
    const [first, second, third] = [news(2, 1), news(3, 1), news(2, 2)];
    expect([first, second, third].map((message) => commits.admits(message))).toEqual([false, false, false]);
    await env.advance(4);
    expect(sent).toEqual([]);
    await env.advance(1);
    expect(sent).toEqual([third, second]);
    expect(commits.admits(news(2, 3))).toBe(false);
    await env.advance(5);
    expect(sent).toHaveLength(3);
  });

  test('is not sent when an append with entries to the same peer has gone since', async () => {
    const all = leader(5);
    const { env, commits, sent } = all;
    await writes(all);
    const other = news(3, 1);
    expect(commits.admits(news(2, 1))).toBe(false);
    expect(commits.admits(other)).toBe(false);
    expect(commits.admits(entries(2))).toBe(true);
    await env.advance(5);
    expect(sent).toEqual([other]);
  });

  test('is sent at once where entries are rare', async () => {
    const { env, commits, sent } = leader(5);
    expect(commits.admits(news(2, 1))).toBe(true);
    for (let i = 0; i < 3; i++) {
      expect(commits.admits(entries(2))).toBe(true);
      expect(commits.admits(news(2, 2))).toBe(true);
      await env.advance(51);
    }
    // Steady until just now, and no more.
    const all = leader(5);
    await writes(all);
    await all.env.advance(50);
    expect(all.commits.admits(news(2, 1))).toBe(true);
    expect([...sent, ...all.sent]).toEqual([]);
  });

  test('is sent at once while a membership change is under way, instead of what was held', async () => {
    let urgent = false;
    const all = leader(5, () => urgent);
    await writes(all);
    expect(all.commits.admits(news(2, 1))).toBe(false);
    urgent = true;
    expect(all.commits.admits(news(2, 2))).toBe(true);
    await all.env.advance(5);
    expect(all.sent).toEqual([]);
  });

  test('is sent at once without a time, and everything else is in any case', async () => {
    const never = leader(0);
    await writes(never);
    expect(never.commits.admits(news(2, 1))).toBe(true);
    const all = leader(5);
    await writes(all);
    const { MsgHeartbeat, MsgAppResp, MsgSnap, MsgVote } = MessageType;
    for (const type of [MsgHeartbeat, MsgAppResp, MsgSnap, MsgVote])
      expect(all.commits.admits(new Message(type, { to: 2 }))).toBe(true);
  });

  test('to a peer that is none any more is sent all the same', async () => {
    const all = leader(5);
    await writes(all);
    const [one, other] = [news(2, 1), news(3, 1)];
    expect([one, other].map((message) => all.commits.admits(message))).toEqual([false, false]);
    all.commits.keep({ ...EmptyConfState, voters: [1], learners: [3] });
    await all.env.advance(5);
    expect(all.sent).toEqual([one, other]);
    // Then it is forgotten, and so are its writes.
    all.commits.keep({ ...EmptyConfState, voters: [1], learners: [3] });
    expect([one, other].map((message) => all.commits.admits(message))).toEqual([true, false]);
  });
});
