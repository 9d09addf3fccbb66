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

// A reader that has seen enough, as `head` does, ends the command in good order: nothing is left behind.
const reader = { gone: false };
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (!reader.gone && error.code !== 'EPIPE') throw error;
  reader.gone = true;
  stop.request();
});

function end(code: typeof process.exitCode): never {
  process.exit(reader.gone && stop.exitCode() === 0 ? 141 : code);
}

try {
  await createProgram(stop).parseAsync();
  // A command that ran to its end may say more than a signal does.
  end(stop.exitCode() || process.exitCode);
} catch (error) {
  if (reader.gone || (stop.signal.aborted && stop.exitCode() !== 0)) end(stop.exitCode());
  process.stderr.write(`balsa: ${explain(error)}\n`);
  // A choice that cannot be is told apart from a command that fails.
  process.exit(error instanceof EngineChoiceError ? 2 : 1);
}
