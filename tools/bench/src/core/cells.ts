/** What is measured: every combination of cluster size, batch, way of proposing and codec. */
import type { ClusterOptions } from './cluster.ts';

export interface Mode {
  readonly multi: boolean;
  readonly codec: boolean;
}

/** In the order in which the rival is called, once for each. */
export const modes: readonly Mode[] = [
  { multi: false, codec: false },
  { multi: false, codec: true },
  { multi: true, codec: false },
  { multi: true, codec: true },
];

export function cellsOf(
  mode: Mode,
  choice: {
    readonly nodes: readonly number[];
    readonly batches: readonly number[];
    readonly batchAppend: boolean;
  },
): readonly ClusterOptions[] {
  const { batchAppend } = choice;
  return choice.nodes.flatMap((nodes) =>
    choice.batches.map((batch) => ({ nodes, batch, ...mode, batchAppend })),
  );
}

export function cellKey(cell: Mode & { readonly nodes: number; readonly batch: number }): string {
  const how = cell.multi ? 'one proposal' : 'proposals';
  return `${String(cell.nodes)} nodes, B=${String(cell.batch)}, ${how}, ${cell.codec ? 'codec' : 'direct'}`;
}
