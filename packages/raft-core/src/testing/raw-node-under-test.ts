/** RawNode as the transcripts need it. */
import { RawNode } from '../raw-node.ts';
import { StateType } from '../types.ts';
import type { MakeCore } from './transcript-node.ts';

export const rawNodeUnderTest: MakeCore = (config, initial) => {
  const core = new RawNode(config, initial);
  return {
    core,
    extras: core,
    progressText: () => {
      let text = '';
      if (core.state !== StateType.Leader) return text;
      core.visitProgress((id, progress) => {
        text += `${String(id)}: ${String(progress)}\n`;
      });
      return text;
    },
    setRandomizedElectionTimeout: (ticks) => {
      core.setRandomizedElectionTimeout(ticks);
    },
  };
};
