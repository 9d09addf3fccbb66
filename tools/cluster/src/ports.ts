/** Looks at ports before anything is started, so that a taken one is told before any data is touched. */
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

async function isFree(address: HostPort): Promise<boolean> {
  try {
    await close(await listen(address));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw new CommandFailure(`Cannot listen on ${formatHostPort(address)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
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

/** Ports that are free now, all different: held together, then let go. */
export async function findFreePorts(host: string, count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    for (let i = 0; i < count; i++) servers.push(await listen({ host, port: 0 }));
    return servers.map((server) => (server.address() as AddressInfo).port);
  } finally {
    await Promise.all(servers.map(close));
  }
}
