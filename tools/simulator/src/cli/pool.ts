/** Runs many seeds, on several processes when asked to. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runSeed, type SeedOrder, type SeedReport } from './messages.ts';

export interface PoolOptions {
  readonly jobs: number;
  readonly options: SeedOrder['options'];
  /** The next seed, or undefined when there is none any more. */
  readonly next: () => number | undefined;
  readonly onResult: (report: SeedReport) => void;
}

/** Resolves when all seeds that were begun have ended. */
export async function runSeeds({ jobs, options, next, onResult }: PoolOptions): Promise<void> {
  if (jobs <= 1) {
    for (let seed = next(); seed !== undefined; seed = next()) onResult(await runSeed({ seed, options }));
    return;
  }
  const workers = Array.from({ length: jobs }, () =>
    // With the settings of this process: a large nursery is worth a fifth of the speed.
    fork(fileURLToPath(new URL('worker.js', import.meta.url)), { execArgv: process.execArgv }),
  );
  try {
    await Promise.all(workers.map((worker) => drive(worker, { jobs, options, next, onResult })));
  } finally {
    for (const worker of workers) worker.kill('SIGKILL');
  }
}

async function drive(worker: ChildProcess, { options, next, onResult }: PoolOptions): Promise<void> {
  for (let seed = next(); seed !== undefined; seed = next()) {
    const order: SeedOrder = { seed, options };
    const report = await new Promise<SeedReport>((resolve, reject) => {
      const ended = (code: number | null): void => {
        reject(
          new Error(
            `the process that ran seed ${order.seed} ended with ${String(code)}: run that seed alone to see why`,
          ),
        );
      };
      worker.once('exit', ended);
      worker.once('message', (message) => {
        worker.off('exit', ended);
        resolve(message as SeedReport);
      });
      worker.send(order);
    });
    onResult(report);
  }
}
