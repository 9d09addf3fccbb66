/** How often each thing happened. */
export type CoverageKind = 'fault' | 'message' | 'state' | 'client';

export type CoverageCounts = Readonly<Record<string, number>>;

export class Coverage {
  readonly #counts = new Map<string, number>();

  count(kind: CoverageKind, name: string, by = 1): void {
    const key = `${kind} ${name}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  of(kind: CoverageKind, name: string): number {
    return this.#counts.get(`${kind} ${name}`) ?? 0;
  }

  toJSON(): CoverageCounts {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
