/** The ways in which the unsynced part of a disk may survive a power cut. */
import type { Random } from '../child/random.ts';
import type { DataChange, DataFate, Fate } from './disk.ts';

export interface NamedFate {
  readonly name: string;
  readonly fate: Fate;
}

const coin = (random: Random): boolean => random.chance(0.5);

/** Sectors of one change, chosen once, so that the same change tears in one way only. */
function torn(random: Random): (change: DataChange) => DataFate {
  return (change) => {
    const salt = random.int(0, 0xff_ffff);
    return (sector) => ((Math.imul(sector ^ salt ^ change.sequence, 0x9e37_79b1) >>> 16) & 1) === 1;
  };
}

/** Only the first sectors of a change, at least none and at most all. */
function cutShort(random: Random, change: DataChange): DataFate {
  const bytes = random.int(0, change.data?.length ?? 0);
  return (sector) => (sector + 1) * 512 <= change.offset + bytes;
}

/** Of all that was not synced, these changes alone, by their sequence, and every name. */
export function onlyOf(sequences: ReadonlySet<number>): NamedFate {
  return {
    name: 'of what was not synced the bytes of one file alone, and every name',
    fate: { data: (change) => (sequences.has(change.sequence) ? 'whole' : 'lost'), name: () => true },
  };
}

/** Made anew for each cut, for each draws from the seed. `last` is the newest change of the disk. */
export function fatesOf(random: Random, last: number): NamedFate[] {
  const limit = random.int(Math.max(0, last - 40), last);
  const tear = torn(random);
  return [
    { name: 'nothing unsynced', fate: { data: () => 'lost', name: () => false } },
    { name: 'unsynced names, no unsynced bytes', fate: { data: () => 'lost', name: () => true } },
    { name: 'unsynced bytes, no unsynced names', fate: { data: () => 'whole', name: () => false } },
    {
      name: `a prefix (to change ${String(limit)})`,
      fate: {
        data: (change) => (change.sequence <= limit ? 'whole' : 'lost'),
        name: (change) => change.sequence <= limit,
      },
    },
    {
      name: `a prefix (to change ${String(limit)}) whose last write is cut short`,
      fate: {
        data: (change) =>
          change.sequence < limit ? 'whole' : change.sequence === limit ? cutShort(random, change) : 'lost',
        name: (change) => change.sequence <= limit,
      },
    },
    {
      name: 'some changes, later ones without earlier ones',
      fate: { data: () => (coin(random) ? 'whole' : 'lost'), name: () => coin(random) },
    },
    {
      name: 'some sectors of some changes',
      fate: {
        data: (change) => (coin(random) ? tear(change) : coin(random) ? 'whole' : 'lost'),
        name: () => coin(random),
      },
    },
    { name: 'sizes without bytes', fate: { data: () => 'size-only', name: () => true } },
  ];
}
