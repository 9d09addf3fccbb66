import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BalsaError, type Engine, type ErrorCode } from '@balsa/raft-core';
import { createMemoryDisk, openMemoryEngine } from '@balsa/raft-core/memory';
import { Expected } from '../src/child/expected.ts';
import { makePlan, type Plan } from '../src/child/plan.ts';
import { runFaults } from '../src/faults/in-child.ts';
import { ShimControl } from '../src/shim/control.ts';
import { inGroups } from '../src/zoo/override.ts';

const options = { seed: 5, rounds: 12, orderedStore: false };

/** Position of the first write of a group that has another behind it. */
function firstWrite(plan: Plan): number {
  return plan.rounds.flat().find((step) => step.action.kind === 'write')?.id ?? -1;
}

/** As the shim does it; `injected` is the thirteenth field of its control block. */
function countInjected(path: string): void {
  const one = Buffer.alloc(8);
  one.writeBigInt64LE(1n);
  const file = openSync(path, 'r+');
  writeSync(file, one, 0, 8, 12 * 8);
  closeSync(file);
}

describe('a fault that hits what a store does behind an acknowledgement', () => {
  let place: string;
  let control: string;

  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'balsa-faults-test-'));
    control = join(place, 'control');
    new ShimControl(control, true).close();
  });

  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(place, { recursive: true, force: true });
  });

  /** A store without files, whose thread in the background meets the armed fault just as it is disarmed. */
  async function tryOnce(tells: (hit: () => boolean) => (engine: Engine) => Engine): Promise<string[]> {
    let hit = false;
    const { disarm } = ShimControl.prototype;
    vi.spyOn(ShimControl.prototype, 'disarm').mockImplementation(function (this: ShimControl) {
      if (this.get('failWrite') > 0) {
        countInjected(control);
        hit = true;
      }
      disarm.call(this);
    });
    let disk = createMemoryDisk();
    const plan = makePlan(options);
    const said: string[] = [];
    await runFaults({
      job: {
        kind: 'faults',
        opener: { module: 'none', export: 'none' },
        directory: place,
        control,
        plan: options,
        scenarios: [{ fault: 'write-error', step: firstWrite(plan) }],
      },
      plan,
      expected: await Expected.of(plan),
      say: (line) => said.push(line),
      empty: async () => {
        disk = createMemoryDisk();
      },
      open: async () => {
        const told = hit;
        return tells(() => hit && !told)(openMemoryEngine({ disk }));
      },
    });
    return said;
  }

  /** From the hit on every write is refused with these codes, the last one for ever. */
  const refusing =
    (...codes: ErrorCode[]) =>
    (isHit: () => boolean): ((engine: Engine) => Engine) => {
      let calls = 0;
      const check = (): void => {
        if (!isHit()) return;
        const code = codes[Math.min(calls++, codes.length - 1)] ?? 'STORE_IO';
        throw new BalsaError(code, 'the thread in the background failed');
      };
      return inGroups((storage) => ({
        write: async (batch) => {
          check();
          await storage.write(batch);
        },
        compactTo: async (index) => {
          check();
          await storage.compactTo(index);
        },
        createSnapshot: async (metadata) => {
          check();
          return storage.createSnapshot(metadata);
        },
      }));
    };

  test.each([
    ['as an unknown outcome', ['STORE_UNKNOWN_OUTCOME', 'STORE_POISONED']],
    ['as poison', ['STORE_POISONED']],
  ] as const)('may be told by a later call, %s', async (_how, codes) => {
    const said = await tryOnce(refusing(...codes));
    expect(said.filter((line) => line.startsWith('wrong'))).toEqual([]);
    expect(said).toContain('tried write-error unknown');
  });

  test('must be told in words of the contract', async () => {
    const said = await tryOnce(refusing('STORE_IO'));
    expect(said.filter((line) => line.startsWith('wrong')).join()).toContain('STORE_IO');
  });
});
