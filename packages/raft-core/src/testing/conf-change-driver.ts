/** The commands of etcd's membership tests: `simple`, `enter-joint` and `leave-joint`. */
import { Changer, type ConfChangeOutcome } from '../conf-change/changer.ts';
import { parseConfChanges } from '../conf-change/conf-change.ts';
import { BalsaError, isBalsaError } from '../errors.ts';
import { formatProgressMap, formatTrackerConfig, ProgressTracker } from '../tracker/tracker.ts';
import type { Command } from './datadriven.ts';

/** A handler with a tracker of its own, which starts empty. The last index grows with every command, also a failed one. */
export function confChangeHandler(): (command: Command) => string {
  const tracker = new ProgressTracker({ maxInflight: 10, maxInflightBytes: 0 });
  let lastIndex = 0;
  return (command) => {
    const changer = new Changer({ tracker, lastIndex });
    lastIndex++;
    try {
      const outcome = change(changer, command);
      tracker.config = outcome.config;
      tracker.progress = outcome.progress;
    } catch (error) {
      if (isBalsaError(error, 'CONF_CHANGE_INVALID')) return `${error.message}\n`;
      throw error;
    }
    return `${formatTrackerConfig(tracker.config)}\n${formatProgressMap(tracker.progress)}`;
  };
}

function change(changer: Changer, command: Command): ConfChangeOutcome {
  const changes = parseConfChanges(command.input);
  if (command.name === 'simple') return changer.simple(changes);
  if (command.name === 'enter-joint') {
    const autoLeave = command.args.find((arg) => arg.key === 'autoleave')?.values[0] === 'true';
    return changer.enterJoint(autoLeave, changes);
  }
  if (command.name === 'leave-joint') {
    if (changes.length > 0) throw new BalsaError('CONF_CHANGE_INVALID', 'this command takes no input');
    return changer.leaveJoint();
  }
  throw new BalsaError('INVALID_ARGUMENT', `unknown command: ${command.name}`);
}
