import type { IncomingMessage, ServerResponse } from 'node:http';
import { BalsaError, type ConfState } from '@balsa/raft-core';
import type { Registry } from 'prom-client';
import type { KvService } from '../server/service.ts';
import { readJson, send, sendJson } from './json.ts';

export interface RouteContext {
  readonly service: KvService;
  readonly registry: Registry;
}

export type Route = (
  context: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<void>;

/** Path to method to what it does. */
export const routes: ReadonlyMap<string, Readonly<Record<string, Route>>> = new Map<
  string,
  Record<string, Route>
>([
  ['/livez', { GET: livez }],
  ['/readyz', { GET: readyz }],
  ['/status', { GET: status }],
  ['/metrics', { GET: metrics }],
  ['/digest', { GET: digest }],
  ['/members', { GET: members, POST: changeMembers }],
  ['/transfer', { POST: transfer }],
]);

const plain = 'text/plain; charset=utf-8';

/** The process answers. A node that has lost its cluster is alive: restarting it would not help. */
async function livez(
  _context: RouteContext,
  _request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  send(response, 200, plain, 'ok\n');
  return Promise.resolve();
}

async function readyz(
  { service }: RouteContext,
  _request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { ok, reason } = service.ready();
  send(response, ok ? 200 : 503, plain, ok ? 'ok\n' : `${reason}\n`);
  return Promise.resolve();
}

async function status(
  { service }: RouteContext,
  _request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  sendJson(response, 200, service.statusJson());
  return Promise.resolve();
}

async function metrics(
  { registry }: RouteContext,
  _request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  send(response, 200, registry.contentType, await registry.metrics());
}

async function digest(
  { service }: RouteContext,
  _request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  sendJson(response, 200, await service.digest());
}

async function members(
  { service }: RouteContext,
  _request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { confState, members: list } = service.log.status();
  sendJson(response, 200, { members: list, confState });
  return Promise.resolve();
}

/** `{"change":"add-learner","id":4,"address":"127.0.0.1:7204"}`, or `promote` or `remove` with an id. */
async function changeMembers(
  { service }: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readJson(request);
  const id = nodeId(body['id'], 'id');
  sendJson(response, 200, { confState: await change(service, body, id) });
}

function change(service: KvService, body: Readonly<Record<string, unknown>>, id: number): Promise<ConfState> {
  switch (body['change']) {
    case 'add-learner': {
      const address = body['address'];
      if (typeof address !== 'string' || address.length === 0 || address.length > 1024) {
        throw new BalsaError(
          'INVALID_ARGUMENT',
          'address must be where the new member listens, 1 to 1024 characters',
        );
      }
      return service.log.addLearner({ id, address });
    }
    case 'promote':
      return service.log.promote(id);
    case 'remove':
      return service.log.removeMember(id);
    default:
      throw new BalsaError('INVALID_ARGUMENT', 'change must be "add-learner", "promote" or "remove"');
  }
}

/** `{"to":2}`, or `{}` for the most up-to-date voter. */
async function transfer(
  { service }: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readJson(request);
  const to = body['to'] === undefined ? undefined : nodeId(body['to'], 'to');
  sendJson(response, 200, { leader: await service.log.transferLeadership(to) });
}

function nodeId(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw new BalsaError(
    'INVALID_ARGUMENT',
    `${name} must be a node id, a whole number above 0, but is ${JSON.stringify(value)}`,
  );
}
