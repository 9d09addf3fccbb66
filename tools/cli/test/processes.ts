/** Runs the built `balsa` for the tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePorts, type NodeSpec, requireFree, waitFor } from '@balsa/cluster';
import { formatHostPort, portsOf } from '../src/options.ts';

export const mainFile = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const host = '127.0.0.1';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `balsa` to its end. */
export function balsa(...args: readonly string[]): Promise<Ended> {
  return balsaWith({}, ...args);
}

export interface Surroundings {
  /** What it has in its environment beside ours. */
  readonly env?: Readonly<Record<string, string>>;
  /** It is asked to stop after this many milliseconds, so that a test that fails leaves its ports free. */
  readonly timeout?: number;
}

/** As {@link balsa}, in other surroundings. */
export async function balsaWith({ env, timeout }: Surroundings, ...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [mainFile, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(timeout === undefined ? {} : { timeout }),
    killSignal: 'SIGINT',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'balsa-cli-test-'));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** Three founding members on free ports. */
export async function threeSpecs(folder: string, clusterId = '00000000000000aa'): Promise<NodeSpec[]> {
  const ports = await findFreePorts(host, 9);
  const port = (place: number): { host: string; port: number } => ({ host, port: ports[place]! });
  const members = [1, 2, 3].map((id) => ({ id, address: formatHostPort(port(id - 1)) }));
  return [1, 2, 3].map((id) => ({
    id,
    clusterId,
    directory: path.join(folder, `node-${id}`),
    logFile: path.join(folder, `node-${id}.log`),
    raft: port(id - 1),
    resp: port(id + 2),
    http: port(id + 5),
    members,
    mode: 'bootstrap',
  }));
}

export function serveArguments(spec: NodeSpec): string[] {
  return [
    'serve',
    ...['--id', String(spec.id), '--data', spec.directory],
    ...[
      '--raft',
      formatHostPort(spec.raft),
      '--resp',
      formatHostPort(spec.resp),
      '--http',
      formatHostPort(spec.http),
    ],
    ...['--cluster', spec.members.map(({ id, address }) => `${id}=${address}`).join(',')],
    ...['--cluster-id', spec.clusterId],
    ...(spec.mode === 'continue' ? [] : [`--${spec.mode}`]),
  ];
}

export function allPorts(base: number): { host: string; port: number }[] {
  return [1, 2, 3].flatMap((id) => Object.values(portsOf(base, id)).map((port) => ({ host, port })));
}

/** A base whose nine ports are free. */
export function freeBase(): Promise<number> {
  return waitFor(
    async () => {
      const [port] = await findFreePorts(host, 1);
      return requireFree(allPorts(port!), 0, '').then(
        () => port,
        () => undefined,
      );
    },
    { timeoutMs: 120_000, what: 'nine free ports' },
  );
}

/** Runs `balsa start` until its greeting. */
export async function startCluster(data: string, base: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [mainFile, 'start', '--data', data, '--port', String(base)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const look = async (): Promise<true | undefined> => {
    if (child.exitCode !== null) throw new Error(`balsa start ended with exit code ${child.exitCode}`);
    return text.includes('Ctrl-C') ? true : undefined;
  };
  await waitFor(look, {
    timeoutMs: 120_000,
    what: 'the greeting',
  });
  return child;
}

/** Every file and folder below `directory`, with what is in it. */
export async function contents(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const item of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const place = path.join(item.parentPath, item.name);
    found[path.relative(directory, place)] = item.isFile()
      ? createHash('sha256')
          .update(await readFile(place))
          .digest('hex')
      : 'a folder';
  }
  return found;
}
