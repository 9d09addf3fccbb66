/** Looks at ports before anything is started, so that a taken one is told before any data is touched. */
import { randomInt } from 'node:crypto';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure } from './failure.ts';
import { formatHostPort, type HostPort } from './addresses.ts';

function listen(address: HostPort): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ ...address, exclusive: true }, () => {
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

async function listenIfFree(address: HostPort): Promise<Server | undefined> {
  try {
    return await listen(address);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw new CommandFailure(`Cannot listen on ${formatHostPort(address)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function isFree(address: HostPort): Promise<boolean> {
  const server = await listenIfFree(address);
  if (server !== undefined) await close(server);
  return server !== undefined;
}

/**
 * Refuses when any of `addresses` is taken. `patienceMs` waits that long for them first: nodes of a
 * cluster whose parent was killed need a moment to notice.
 */
export async function requireFree(
  addresses: readonly HostPort[],
  patienceMs: number,
  hint: string,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const taken: string[] = [];
    for (const address of addresses) if (!(await isFree(address))) taken.push(formatHostPort(address));
    if (taken.length === 0) return;
    if (performance.now() >= deadline) {
      const [what, verb] = taken.length === 1 ? ['Port', 'is'] : ['Ports', 'are'];
      throw new CommandFailure(`${what} ${taken.join(', ')} ${verb} in use. ${hint}`, {
        code: 'ADDRESS_IN_USE',
      });
    }
    await sleep(100);
  }
}

/**
 * Systems give connections that go out, and listeners that ask for any port, one above these: Linux from 32,768 on,
 * others from 49,152. A port from there can be taken by anybody between two looks, and while a node is restarted.
 */
const [lowestPort, highestPort] = [10_000, 32_000];
/** So many ports are tried for each that is wanted. */
const attemptsPerPort = 200;

/** Ports that are free now, all different, and that nobody gets who does not ask for them by number. */
export async function findFreePorts(host: string, count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    for (let left = count * attemptsPerPort; servers.length < count; left--) {
      if (left === 0) throw new CommandFailure(`No ${count} ports of ${host} are free.`);
      // Held together, then let go.
      const server = await listenIfFree({ host, port: randomInt(lowestPort, highestPort + 1) });
      if (server !== undefined) servers.push(server);
    }
    return servers.map((server) => (server.address() as AddressInfo).port);
  } finally {
    await Promise.all(servers.map(close));
  }
}
