/** Reads what is typed on the command line. Every refusal names the option, what it got and what would be right. */
import { type ClusterMember, formatHostPort, type HostPort } from '@balsa/cluster';
import { addRawOption, type RawOptions } from '@balsa/engines';
import { InvalidArgumentError } from 'commander';

export { formatHostPort, type ClusterMember, type HostPort };

const largestPort = 65_535;

export function parseNodeId(text: string): number {
  const id = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(id) || id < 1) {
    throw new InvalidArgumentError(`A node id is a whole number from 1 up, not ${JSON.stringify(text)}.`);
  }
  return id;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count)) {
    throw new InvalidArgumentError(`Expected a whole number, not ${JSON.stringify(text)}.`);
  }
  return count;
}

/** `host:port` or `[v6]:port`. Port 0 lets the system choose. */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > largestPort) {
    throw new InvalidArgumentError(
      `Expected HOST:PORT, for example 127.0.0.1:7001, not ${JSON.stringify(text)}.`,
    );
  }
  return { host, port };
}

/** `1=host:port,2=host:port`. Ids and addresses are each used once. */
export function parseCluster(text: string): readonly ClusterMember[] {
  const members: ClusterMember[] = [];
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    if (at < 0) {
      throw new InvalidArgumentError(
        `Expected ID=HOST:PORT, separated by commas, not ${JSON.stringify(part)}.`,
      );
    }
    const member = {
      id: parseNodeId(part.slice(0, at).trim()),
      address: formatHostPort(parseHostPort(part.slice(at + 1).trim())),
    };
    if (members.some((other) => other.id === member.id)) {
      throw new InvalidArgumentError(`Node ${member.id} is named twice.`);
    }
    if (members.some((other) => other.address === member.address)) {
      throw new InvalidArgumentError(`Two nodes have the address ${member.address}.`);
    }
    members.push(member);
  }
  return members;
}

export function parseClusterId(text: string): string {
  if (!/^[0-9a-f]{16}$/.test(text)) {
    throw new InvalidArgumentError(
      `A cluster id is sixteen hexadecimal digits in lower case, not ${JSON.stringify(text)}.`,
    );
  }
  return text;
}

/** The lowest of the ports that `balsa start` takes. The highest is 203 above it. */
export function parseBasePort(text: string): number {
  const base = parseCount(text);
  if (base < 1 || base + 203 > largestPort) {
    throw new InvalidArgumentError(`Expected a port from 1 to ${largestPort - 203}, not ${text}.`);
  }
  return base;
}

/** Ports of node `id` when the base is `base`: RESP, HTTP and Raft. */
export function portsOf(
  base: number,
  id: number,
): { readonly resp: number; readonly http: number; readonly raft: number } {
  return { resp: base + id, http: base + 100 + id, raft: base + 200 + id };
}

/** One more `KEY=VALUE` of an engine; its value is looked at when the engine is known. */
export function addEngineOption(text: string, known?: RawOptions): RawOptions {
  try {
    return addRawOption(text, known);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
