#!/usr/bin/env node
import { explain } from './messages.ts';
import { createProgram } from './program.ts';
import { onParentGone } from './serve/parent-link.ts';
import { listenForStop } from '@balsa/cluster';
import { EngineChoiceError } from '@balsa/engines';

const stop = listenForStop();
onParentGone(() => {
  stop.request();
});

// A reader that has seen enough, as `head` does, ends the command without a stack.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(141);
});

try {
  await createProgram(stop).parseAsync();
  // A command that ran to its end may say more than a signal does.
  process.exit(stop.exitCode() || process.exitCode);
} catch (error) {
  if (stop.signal.aborted && stop.exitCode() !== 0) process.exit(stop.exitCode());
  process.stderr.write(`balsa: ${explain(error)}\n`);
  // A choice that cannot be is told apart from a command that fails.
  process.exit(error instanceof EngineChoiceError ? 2 : 1);
}
