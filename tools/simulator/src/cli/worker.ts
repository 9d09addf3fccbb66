/** A process that runs the seeds it is told to. */
import { runSeed, type SeedOrder } from './messages.ts';

process.on('message', (order: SeedOrder) => {
  void runSeed(order).then((report) => process.send?.(report));
});
// The parent ends the run, and is told of a Ctrl-C itself.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
