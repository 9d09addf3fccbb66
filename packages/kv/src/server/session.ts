import type { Proto } from '../resp/reply.ts';

/** What a connection has chosen for itself. */
export interface Session {
  readonly id: number;
  /** `host:port` of the client. */
  readonly address: string;
  proto: Proto;
  name: string;
  libName: string;
  libVersion: string;
  /** Set by QUIT: the connection ends once this reply is out. */
  quit: boolean;
}
