/** What a store does behind the back of the suite: an error that nobody awaits, the end of the whole process. */
import { inspect } from 'node:util';
import { createNodeEnv } from '@balsa/raft-node';
import type { CaseFailure } from '@balsa/test-suite';

export interface StrayWatch {
  /** The store is there; before it was imported. */
  imported(): void;
  /** The case that runs from here on. */
  enter(id: string): void;
  /** Ends the watch; resolves with what was found. */
  done(): Promise<readonly CaseFailure[]>;
}

/**
 * Such an error would end this process, and a store that ends the process would end the run as if all were well: both
 * are failures of the store. One whose module ends the process is no store, as one whose module throws is none.
 */
export function watchStray(): StrayWatch {
  const found: CaseFailure[] = [];
  let isThere = false;
  let running: string | undefined;
  const note = (what: string) => (error: unknown) => {
    found.push({ id: running, reason: `${what}: ${textOf(error)}` });
  };
  const onRejection = note('a promise of the store rejected, and nobody handled it');
  const onException = note('the store threw where nobody could catch it');
  const onExit = (): void => {
    process.exitCode = isThere ? 1 : 2;
    const within = running ?? (isThere ? 'the first opening of the store' : 'the import of the store');
    process.stderr.write(`\nbalsa: the process was ended from within ${within}, by process.exit as a rule\n`);
  };
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onException);
  process.on('exit', onExit);
  return {
    imported: () => {
      isThere = true;
    },
    enter: (id) => {
      running = id;
    },
    done: async () => {
      // Node tells of a rejection only after the turn in which nobody took it, and of an exception before that.
      for (let turn = 0; turn < 3; turn++)
        await new Promise<void>((resolve) => createNodeEnv().setTimer(0, resolve));
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onException);
      process.off('exit', onExit);
      return found;
    },
  };
}

/** The message, and where it came from: nobody else says that. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error);
  const place = error.stack?.split('\n').find((line) => /^ +at /.test(line) && !line.includes('node:'));
  return place === undefined ? error.message : `${error.message}\n${place.trim()}`;
}
