/** What a run is asked for. */
export interface ChaosOptions {
  /** One engine, or one for each of the three nodes, separated by commas. */
  readonly storage: string;
  readonly minutes: number;
  readonly seed: number;
  readonly clients: number;
  /** Whether disks are filled where the machine allows it. */
  readonly disks: boolean;
  readonly limitMib: number;
  readonly keep: boolean;
  readonly signal: AbortSignal;
  /** A line of progress. */
  readonly say: (text: string) => void;
}
