import { randomBytes } from 'node:crypto';
import { LogLevel, type Env, type Timer } from '@balsa/raft-core';

export interface TestEnv extends Env {
  readonly lines: string[];
  /** Timers set and neither run nor cancelled. */
  readonly live: Set<Timer>;
}

/** Real time and real sockets need a real Env; this one remembers what was logged and which timers are left. */
export function nodeEnv(): TestEnv {
  const lines: string[] = [];
  const live = new Set<Timer>();
  return {
    lines,
    live,
    now: () => performance.now(),
    setTimer(ms, callback) {
      const run = (): void => {
        live.delete(timer);
        callback();
      };
      const handle = ms === 0 ? setImmediate(run) : setTimeout(run, ms);
      const timer: Timer = {
        cancel() {
          live.delete(timer);
          if (ms === 0) clearImmediate(handle as NodeJS.Immediate);
          else clearTimeout(handle as NodeJS.Timeout);
        },
      };
      live.add(timer);
      return timer;
    },
    random: () => randomBytes(4).readUInt32BE() / 0x1_0000_0000,
    log: {
      enabled: (level) => level >= LogLevel.Warn,
      log: (level, text) => {
        if (level >= LogLevel.Warn) lines.push(text);
      },
    },
  };
}
