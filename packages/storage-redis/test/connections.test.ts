/** The ways in: TCP, TLS, Unix sockets, passwords, users with few rights. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RedisEngineOptions } from '@balsa/storage-redis';
import {
  entries,
  key,
  openEngine,
  openGroup,
  rawClient,
  startServer,
  temporaryDirectory,
  type Place,
} from './support/index.ts';

/** Everything once: groups, snapshots, pairs, housekeeping. */
async function useAll(place: Place, options: Partial<RedisEngineOptions>): Promise<void> {
  const engine = await openEngine(place, options);
  const storage = await openGroup(engine);
  await storage.write({ entries: entries(1, 5), hardState: { term: 1, vote: 1, commit: 3 } });
  const metadata = { index: 3, term: 1, confState };
  const writer = await storage.createSnapshot(metadata);
  await writer.write(key('chunk'));
  const { id } = await writer.commit();
  const reader = await storage.openSnapshot(id);
  expect(await reader.chunk(0)).toEqual(key('chunk'));
  await reader.close();
  await storage.compactTo(3);
  await storage.pruneSnapshots(0);
  while (await storage.maintain());
  const store = engine.orderedStore('kv');
  await store.open();
  await store.write({ changes: [[key('a'), key('1')]], appliedIndex: 3 });
  expect(await store.getMany([key('a')])).toEqual([key('1')]);
  expect(await store.range({ limit: 10 })).toEqual([{ key: key('a'), value: key('1') }]);
  expect(await store.bytes()).toBeGreaterThan(0);
  const restore = await store.beginRestore();
  await restore.put([{ key: key('b'), value: key('2') }]);
  await restore.commit(4);
  await storage.close();
  await engine.destroyGroup('g');
  expect(await engine.listGroups()).toEqual([]);
  await engine.close();
}

const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

test('a Unix socket, and no TCP at all', async () => {
  const socket = join(temporaryDirectory(), 'redis.sock');
  const place = await startServer({ port: 0, unixSocket: socket });
  await useAll(place, { url: socket });
});

test('a password, in the URL and beside it; without it the door is shut', async () => {
  const place = await startServer({ password: 'p/ss: w@rd' });
  await useAll(place, {});
  const { port } = place.server;
  const beside = { url: `redis://127.0.0.1:${String(port)}`, password: 'p/ss: w@rd', prefix: 'beside' };
  await useAll({ ...place, watermarkPath: `${place.watermarkPath}-beside` }, beside);
  const bare = { url: `redis://127.0.0.1:${String(port)}` };
  await expect(openEngine(place, bare)).rejects.toThrow(/NOAUTH|connect/);
});

test('a user of an access list with the rights of the documentation, and no others', async () => {
  const page = readFileSync(new URL('../../../docs/storage-redis.md', import.meta.url), 'utf8');
  const rule = /^user (?<name>\S+) (?<rights>.*)$/m.exec(page)?.groups;
  const place = await startServer();
  const client = await rawClient(place.server);
  await client.call('acl', 'setuser', rule?.['name'] ?? '', ...(rule?.['rights'] ?? '').split(' '));
  const password = /(?:^| )>(\S+)/.exec(rule?.['rights'] ?? '')?.[1] ?? '';
  await useAll(place, { username: rule?.['name'] ?? '', password });
});

test('a user who may not read settings is refused, and told which right is missing', async () => {
  const place = await startServer();
  const client = await rawClient(place.server);
  await client.call('acl', 'setuser', 'weak', 'on', '>pw', '~*', '&*', '+@all', '-config');
  const opened = openEngine(place, { username: 'weak', password: 'pw' });
  await expect(opened).rejects.toThrow(/allow the user \+config\|get/);
});

test('TLS, with a certificate that is checked', async () => {
  const folder = temporaryDirectory();
  const [certificate, secret] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  const files = ['-keyout', secret, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], {
    stdio: 'ignore',
  });
  const place = await startServer({ tls: { cert: certificate, key: secret, ca: certificate } });
  expect(place.server.url).toMatch(/^rediss:/);
  await useAll(place, { tls: { ca: readFileSync(certificate) } });
  await expect(openEngine(place)).rejects.toThrow(/self.signed|certificate/);
});
