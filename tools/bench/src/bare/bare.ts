/**
 * The client of each engine as anybody would use it, with the same settings and the same payloads as the
 * adapter: what is lost between the two is the adapter's own.
 */
import type { PayloadPool } from '../measure/payload-pool.ts';
import type { Lane } from '../measure/slice.ts';

export interface BareOptions {
  /** Of this lane alone. */
  readonly directory: string;
  readonly pool: PayloadPool;
  readonly payloadBytes: number;
  /** Entries in one operation: those of all groups at once. */
  readonly entries: number;
}

export interface BareClient {
  readonly label: string;
  /** Rejects when the client or its server is not there. */
  open(options: BareOptions): Promise<Lane>;
}
