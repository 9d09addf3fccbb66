import { LogLevel, type Logger } from '@balsa/raft-core';
import { pino } from 'pino';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevelName = (typeof logLevels)[number];

/** JSON lines on stderr. Written at once: what a process says last is what matters when it dies. */
export function createLogger(level: LogLevelName, node: number): Logger {
  const lines = pino({ level, base: { node } }, pino.destination({ dest: 2, sync: true }));
  const threshold = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 }[level];
  return {
    enabled: (wanted) => wanted >= threshold && wanted < LogLevel.None,
    log: (wanted, text, fields = {}) => {
      switch (wanted) {
        case LogLevel.Debug:
          lines.debug(fields, text);
          break;
        case LogLevel.Info:
          lines.info(fields, text);
          break;
        case LogLevel.Warn:
          lines.warn(fields, text);
          break;
        case LogLevel.Error:
          lines.error(fields, text);
          break;
        case LogLevel.None:
          break;
      }
    },
  };
}
