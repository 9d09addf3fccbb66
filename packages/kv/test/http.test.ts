import { BalsaError } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { RawClient, resp, startTestServer } from './support/server.ts';

function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

describe('health over HTTP', () => {
  test('/livez answers while the node is not ready, and /readyz says why it is not', async () => {
    const { http, log } = await startTestServer();
    expect((await fetch(`${http}/readyz`)).status).toBe(200);
    log.ready = { ok: false, reason: 'no leader is known' };
    expect((await fetch(`${http}/livez`)).status).toBe(200);
    const ready = await fetch(`${http}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toBe('no leader is known\n');
  });

  test('/status is the node and the service as JSON', async () => {
    const { http, port } = await startTestServer();
    await new RawClient(port).expectReply(resp('SET', 'a', '1'), '+OK\r\n');
    const response = await fetch(`${http}/status`);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toMatchObject({
      id: 1,
      role: 'leader',
      applied: 1,
      kv: { writes: 1, clients: 1 },
    });
  });

  test('/digest is that of the whole state', async () => {
    const { http, machine } = await startTestServer();
    expect(await (await fetch(`${http}/digest`)).json()).toEqual(await machine.digest());
  });
});

describe('/metrics', () => {
  test('is Prometheus text with base units, fresh at every scrape, and one server does not see another', async () => {
    const { http, port } = await startTestServer();
    const other = await startTestServer();
    await new RawClient(port).expectReply(resp('SET', 'a', '1'), '+OK\r\n');
    const response = await fetch(`${http}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('# TYPE balsa_kv_writes_total counter\nbalsa_kv_writes_total 1\n');
    expect(text).toContain('# TYPE balsa_raft_term gauge\nbalsa_raft_term 7\n');
    expect(text).toContain('balsa_raft_proposal_outcomes_total{outcome="TIMEOUT"} 1\n');
    expect(text).toContain('balsa_raft_apply_duration_seconds_bucket{le="0.01"} 3\n');
    expect(text).toContain('balsa_raft_apply_duration_seconds_bucket{le="+Inf"} 6\n');
    expect(text).toContain('balsa_raft_apply_duration_seconds_sum 0.06\n');
    expect(await (await fetch(`${other.http}/metrics`)).text()).toContain('balsa_kv_writes_total 0\n');
  });
});

describe('administration over HTTP', () => {
  test('changes the membership and hands leadership over', async () => {
    const { http, log } = await startTestServer();
    const added = await post(`${http}/members`, { change: 'add-learner', id: 4, address: '127.0.0.1:7204' });
    expect(await added.json()).toMatchObject({ confState: { voters: [1], learners: [4] } });
    await post(`${http}/members`, { change: 'promote', id: 4 });
    await post(`${http}/members`, { change: 'remove', id: 1 });
    expect(await (await post(`${http}/transfer`, { to: 2 })).json()).toEqual({ leader: 2 });
    await post(`${http}/transfer`, {});
    expect(log.changes).toEqual([
      'add-learner 4 127.0.0.1:7204',
      'promote 4',
      'remove 1',
      'transfer 2',
      'transfer undefined',
    ]);
  });

  test('says a refusal of the node with its code and status', async () => {
    const { http, log } = await startTestServer();
    log.promote = () => Promise.reject(new BalsaError('CONF_CHANGE_INVALID', '4 lags 2000 entries'));
    log.transferLeadership = () => Promise.reject(new BalsaError('NOT_LEADER', 'node 2 leads'));
    const refused = await post(`${http}/members`, { change: 'promote', id: 4 });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      code: 'CONF_CHANGE_INVALID',
      message: '4 lags 2000 entries',
      outcome: 'refused',
    });
    const later = await post(`${http}/transfer`, {});
    expect(later.status).toBe(503);
    expect(await later.json()).toMatchObject({ code: 'NOT_LEADER', retryable: true });
  });

  test.each([
    ['no JSON', '{', 400],
    ['no object', '[1]', 400],
    ['no change', { id: 4 }, 400],
    ['an unknown change', { change: 'x', id: 4 }, 400],
    ['no id', { change: 'promote' }, 400],
    ['an id of text', { change: 'promote', id: '4' }, 400],
    ['an id of 0', { change: 'promote', id: 0 }, 400],
    ['no address', { change: 'add-learner', id: 4 }, 400],
    ['a body without end', JSON.stringify({ change: 'x'.repeat(20_000) }), 413],
  ])('refuses %s, with code and message', async (_name, body, status) => {
    const { http, log } = await startTestServer();
    const response = await post(`${http}/members`, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/./) as string,
    });
    expect(log.changes).toEqual([]);
  });

  test('refuses what a web page could make a browser send', async () => {
    const { http, log } = await startTestServer();
    const body = { change: 'remove', id: 1 };
    expect((await post(`${http}/members`, body, { 'content-type': 'text/plain' })).status).toBe(415);
    const origin = { 'content-type': 'application/json', origin: 'http://evil.example' };
    expect((await post(`${http}/members`, body, origin)).status).toBe(403);
    expect(log.changes).toEqual([]);
  });

  test('answers 404 and 405 with what there is', async () => {
    const { http } = await startTestServer();
    const missing = await fetch(`${http}/nope`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('/status') as string,
    });
    const wrong = await post(`${http}/status`, {});
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('GET');
    expect((await fetch(`${http}/constructor`)).status).toBe(404);
  });
});
