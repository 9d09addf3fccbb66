/** Where a process listens, and members as `balsa serve --cluster` names them. */

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface ClusterMember {
  readonly id: number;
  readonly address: string;
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
