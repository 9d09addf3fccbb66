/** A process that runs the seeds it is told to. */
import { simulate } from '../simulate.ts';
import { reportOf, type SeedOrder } from './messages.ts';

process.on('message', ({ seed, options }: SeedOrder) => {
  void simulate(seed, options).then((result) => process.send?.(reportOf(result)));
});
// The parent ends the run, and is told of a Ctrl-C itself.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
