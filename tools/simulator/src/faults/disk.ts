/** What goes wrong with disks. Damage stays within what docs/fault-model.md says is survived. */
import { sectorBytes, type Inode } from '../world/inode.ts';
import { world } from '../world/clock.ts';
import { byItself, told, victim, type FaultEnd, type Faults, type Stage } from './fault.ts';
import type { Host } from '../world/host.ts';

/** A host whose stored data may be lost without a quorum losing anything. */
function expendable(stage: Stage): Host | undefined {
  const { cluster, chance } = stage;
  if (!cluster.mayDamage()) return undefined;
  const { voters, learners } = cluster.confState;
  const hosts = [...voters, ...learners]
    .map((id) => cluster.host(id))
    .filter((host) => host.state !== 'retired' && !host.damaged);
  return hosts.length === 0 ? undefined : chance.pick(hosts);
}

function anyFile({ chance }: Stage, host: Host): readonly [path: string, inode: Inode] | undefined {
  const files = [...host.disk.root.files()].filter(([, inode]) => inode.size > 0);
  return files.length === 0 ? undefined : chance.pick(files);
}

/** Whoever has a damaged disk starts anew after a while, and is replaced in the end even if it has noticed nothing. */
function replaceLater(stage: Stage, host: Host): FaultEnd {
  const { cluster, chance } = stage;
  host.damaged = true;
  const afterMs = chance.skewed(100, 8000);
  const replaceMs = chance.skewed(200, 8000);
  return {
    afterMs,
    end: () => {
      if (host.state === 'retired') return;
      host.kill();
      host.start();
      cluster.clock.set(world, replaceMs, () => {
        if (stage.active()) host.retire();
      });
    },
  };
}

/**
 * The next term or vote that it writes is damaged, and the power goes at once. However far the watermark may trail, it does
 * not trail that write, so that nobody takes it for one that was never finished.
 */
function flipVote(stage: Stage, host: Host): FaultEnd {
  const { cluster, chance } = stage;
  const { life } = host;
  cluster.onVoteWritten.set(host.id, () => {
    const [newest] = [...host.disk.root.files()]
      .filter(([path]) => path.endsWith('.seg'))
      .sort()
      .reverse();
    if (newest === undefined || host.life !== life || !stage.active() || !cluster.mayDamage()) return;
    const [path, inode] = newest;
    const at = inode.size - 1 - chance.below(8);
    inode.corrupt(at, (byte) => byte ^ 1);
    told(stage, host, 'flip', `byte ${at} of ${path}, the vote that was just written; the power goes`);
    host.damaged = true;
    cluster.clock.set(world, 0, () => {
      if (host.life !== life) return;
      host.kill('nothing');
      stage.endLater({
        afterMs: chance.skewed(100, 4000),
        end: () => host.start(),
      });
      cluster.clock.set(world, chance.skewed(4000, 8000), () => {
        if (stage.active()) host.retire();
      });
    });
  });
  return byItself;
}

export const diskFaults: Faults = {
  'slow-disk': (stage) => {
    const host = victim(stage);
    if (host === undefined) return undefined;
    const { trouble } = host.disk;
    trouble.slowness = stage.chance.skewed(3, 100);
    told(stage, host, 'slow-disk', `${trouble.slowness.toFixed(0)} times slower`);
    return {
      afterMs: stage.chance.skewed(50, 8000),
      end: () => {
        trouble.slowness = 1;
      },
    };
  },

  'stalled-disk': (stage) => {
    const host = victim(stage);
    if (host === undefined) return undefined;
    const ms = stage.chance.skewed(50, 10_000);
    host.disk.trouble.stalledUntil = stage.cluster.clock.now + ms;
    told(stage, host, 'stalled-disk', `no sync or read ends for ${ms.toFixed(0)} ms`);
    return byItself;
  },

  'failing-disk': (stage) => {
    const host = victim(stage);
    if (host === undefined) return undefined;
    const { trouble } = host.disk;
    trouble.failing = stage.chance.skewed(0.002, 0.5);
    told(stage, host, 'failing-disk', `one call in ${(1 / trouble.failing).toFixed(0)} fails`);
    return {
      afterMs: stage.chance.skewed(20, 3000),
      end: () => {
        trouble.failing = 0;
      },
    };
  },

  'full-disk': (stage) => {
    const host = victim(stage);
    if (host === undefined) return undefined;
    const { trouble } = host.disk;
    trouble.full = true;
    told(stage, host, 'full-disk', 'has no room left');
    return {
      afterMs: stage.chance.skewed(20, 5000),
      end: () => {
        trouble.full = false;
      },
    };
  },

  flip: (stage) => {
    const host = expendable(stage);
    if (host !== undefined && stage.cluster.plan.watermarkLag > 1) return flipVote(stage, host);
    const file = host && anyFile(stage, host);
    if (host === undefined || file === undefined) return undefined;
    const [path, inode] = file;
    const at = stage.chance.below(inode.size);
    const bit = stage.chance.below(8);
    inode.corrupt(at, (byte) => byte ^ (1 << bit));
    told(stage, host, 'flip', `bit ${bit} of byte ${at} of ${path}`);
    return replaceLater(stage, host);
  },

  misdirect: (stage) => {
    if (stage.cluster.plan.watermarkLag > 1) return undefined;
    const host = expendable(stage);
    const from = host && anyFile(stage, host);
    const to = host && anyFile(stage, host);
    if (host === undefined || from === undefined || to === undefined) return undefined;
    const sector = new Uint8Array(sectorBytes);
    const source = Math.floor(stage.chance.below(from[1].size) / sectorBytes) * sectorBytes;
    const target = Math.floor(stage.chance.below(to[1].size) / sectorBytes) * sectorBytes;
    from[1].read(sector, source);
    to[1].overwrite(target, sector);
    const what = `what belongs to ${source} of ${from[0]} is written to ${target} of ${to[0]}`;
    told(stage, host, 'misdirect', what);
    return replaceLater(stage, host);
  },

  wipe: (stage) => {
    const host = expendable(stage);
    if (host === undefined) return undefined;
    told(stage, host, 'wipe', 'its disk is gone for good; another machine takes its place');
    host.retire();
    return byItself;
  },
};
