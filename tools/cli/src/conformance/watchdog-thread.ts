/** The thread of the watchdog: it sees that the main one does not come back, and ends the process. */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { WatchdogData } from './watchdog.ts';

const { beats, limitMs } = workerData as WatchdogData;
const lookMs = 500;
let during = 'the opening of the store';
let seen = -1;
let silentMs = 0;

parentPort?.on('message', (id: string) => {
  during = id;
  silentMs = 0;
});

setInterval(() => {
  const now = Atomics.load(beats, 0);
  silentMs = now === seen ? silentMs + lookMs : 0;
  seen = now;
  if (silentMs < limitMs) return;
  writeSync(
    2,
    `\nbalsa: FAIL ${during}: a call of the store has kept the thread for ${String(limitMs / 1000)} s and does not ` +
      `return: an endless loop, or a call that waits without yielding. Nothing but the end of the process helps; ` +
      `what the case has made is left behind.\n`,
  );
  process.kill(process.pid, 'SIGKILL');
}, lookMs);
