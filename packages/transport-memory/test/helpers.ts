import {
  Entry,
  EntryType,
  Message,
  MessageType,
  type NodeId,
  type SnapshotSink,
  type SnapshotSource,
  type Transport,
  type TransportHandler,
} from '@balsa/raft-core';
import {
  createMemoryNetwork,
  createVirtualEnv,
  memoryAddress,
  type MemoryNetwork,
  type VirtualEnv,
} from '../src/index.ts';

export interface Recorder extends TransportHandler {
  readonly events: string[];
  readonly messages: Message[];
  sink: ((message: Message, source: Omit<SnapshotSource, 'chunk'>) => Promise<SnapshotSink>) | undefined;
}

export function recorder(): Recorder {
  const events: string[] = [];
  const messages: Message[] = [];
  return {
    events,
    messages,
    sink: undefined,
    onMessages(group, batch) {
      for (const m of batch) events.push(`${group} ${String(m.from)} msg ${String(m.index)}`);
      messages.push(...batch);
    },
    onControl(group, from, frame) {
      events.push(`${group} ${String(from)} control ${String(frame[0])}`);
    },
    onDisconnect(peer) {
      events.push(`disconnect ${String(peer)}`);
    },
    onUnreachable(group, peer) {
      events.push(`unreachable ${group} ${String(peer)}`);
    },
    onSnapshot(_group, _from, message, source) {
      if (this.sink === undefined) return Promise.reject(new Error('no snapshots here'));
      return this.sink(message, source);
    },
  };
}

export interface Cluster {
  readonly env: VirtualEnv;
  readonly net: MemoryNetwork;
  readonly nodes: Map<NodeId, { readonly transport: Transport; readonly handler: Recorder }>;
  node(id: NodeId): { readonly transport: Transport; readonly handler: Recorder };
  boot(id: NodeId, clusterId?: string): Promise<void>;
}

export async function cluster(
  ids: readonly NodeId[],
  options: Partial<Parameters<typeof createMemoryNetwork>[0]> = {},
): Promise<Cluster> {
  const env = createVirtualEnv({ seed: 1 });
  const net = createMemoryNetwork({ env, seed: 1, ...options });
  const nodes: Cluster['nodes'] = new Map();
  const it: Cluster = {
    env,
    net,
    nodes,
    node(id) {
      const node = nodes.get(id);
      if (node === undefined) throw new Error(`no node ${String(id)}`);
      return node;
    },
    async boot(id, clusterId = 'c') {
      const transport = net.transport(id);
      const handler = recorder();
      nodes.set(id, { transport, handler });
      await transport.start({ clusterId, nodeId: id, incarnation: '0123456789abcdef' }, handler);
      for (const peer of ids) if (peer !== id) transport.setPeer(peer, memoryAddress(peer));
    },
  };
  for (const id of ids) await it.boot(id);
  return it;
}

export function app(
  from: NodeId,
  to: NodeId,
  index: number,
  data: Uint8Array = new Uint8Array([1, 2, 3]),
): Message {
  return new Message(MessageType.MsgApp, {
    from,
    to,
    term: 1,
    index,
    entries: [new Entry(1, index + 1, EntryType.Normal, data)],
  });
}
