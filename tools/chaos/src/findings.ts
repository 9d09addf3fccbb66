/** What a run found: promises that did not hold, and how often things happened. */

/** Broken promises kept; further ones are counted only. */
const maxKept = 50;

export class Findings {
  readonly violations: string[] = [];
  readonly counts: Map<string, number> = new Map();
  violationCount: number = 0;
  /** Longest durations by name, in milliseconds. */
  readonly durations: Map<string, number> = new Map();
  readonly #say: (text: string) => void;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  violation(text: string): void {
    this.violationCount++;
    if (this.violations.length >= maxKept) return;
    this.violations.push(text);
    this.#say(`VIOLATION: ${text}`);
  }

  /** Worth a look, and no broken promise. */
  note(text: string): void {
    this.#say(text);
  }

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  longest(name: string, ms: number): void {
    this.durations.set(name, Math.max(this.durations.get(name) ?? 0, ms));
  }

  /** 0 for what never happened. */
  counted(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** Those whose names begin with `prefix`, without it, sorted by name. */
  group(prefix: string): Record<string, number> {
    const found = [...this.counts].filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(
      found
        .map(([name, count]) => [name.slice(prefix.length), count] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
}
