import { BalsaError } from '@balsa/raft-core';
import { describe, expect, test } from 'vitest';
import { Lifecycle } from '../src/lifecycle.ts';

const alive = (): void => undefined;

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    opened,
    open: () => {
      open();
    },
  };
}

describe('the life of a store', () => {
  test('a second opening is refused, one behind a failure is not', async () => {
    const life = new Lifecycle('group "a"', alive);
    await expect(life.openOnce(() => Promise.reject(new Error('disk')))).rejects.toThrow('disk');
    await expect(life.openOnce(() => Promise.resolve(1))).resolves.toBe(1);
    await expect(life.openOnce(() => Promise.resolve(2))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('a second write is refused until the first has settled, also when that fails', async () => {
    const life = new Lifecycle('group "a"', alive);
    const { opened, open } = gate();
    const first = life.writeAlone(async () => {
      await opened;
      throw new Error('disk');
    });
    await expect(life.writeAlone(() => Promise.resolve())).rejects.toMatchObject({
      code: 'STORE_WRITE_IN_FLIGHT',
    });
    open();
    await expect(first).rejects.toThrow('disk');
    await expect(life.writeAlone(() => Promise.resolve())).resolves.toBeUndefined();
  });

  test("a write that throws at once is a rejection, and stands in nobody's way", async () => {
    const life = new Lifecycle('group "a"', alive);
    const wrote: string[] = [];
    const broken = life.writeAlone(
      () => {
        throw new Error('refused');
      },
      () => wrote.push('broken'),
    );
    await expect(broken).rejects.toThrow('refused');
    await life.settled();
    await life.writeAlone(
      () => Promise.resolve(),
      () => wrote.push('whole'),
    );
    expect(wrote).toEqual(['whole']);
  });

  test('a write within a write is refused, and settled waits for the one under way', async () => {
    const life = new Lifecycle('group "a"', alive);
    const { opened, open } = gate();
    let inner: Promise<void> | undefined;
    let done = false;
    const outer = life.writeAlone(
      () => {
        inner = life.writeAlone(() => Promise.resolve());
        return opened;
      },
      () => {
        done = true;
      },
    );
    await expect(inner).rejects.toMatchObject({ code: 'STORE_WRITE_IN_FLIGHT' });
    const settled = life.settled().then(() => done);
    open();
    await expect(settled).resolves.toBe(true);
    await outer;
  });

  test('settled waits for calls that begin while it waits', async () => {
    const life = new Lifecycle('group "a"', alive);
    const { opened, open } = gate();
    const order: string[] = [];
    const first = life.track(async () => {
      await opened;
      void life.track(async () => {
        await Promise.resolve();
        order.push('second');
      });
    });
    const settled = life.settled().then(() => order.push('settled'));
    open();
    await Promise.all([first, settled]);
    expect(order).toEqual(['second', 'settled']);
  });

  test('closing runs once, and every later call is refused by code', async () => {
    const life = new Lifecycle('group "a"', alive);
    expect(() => life.assertOpen(undefined)).toThrow(expect.objectContaining({ code: 'STORE_NOT_OPEN' }));
    let runs = 0;
    const close = (): Promise<void> =>
      life.close(() => {
        runs++;
        return Promise.resolve();
      });
    await Promise.all([close(), close()]);
    expect(runs).toBe(1);
    expect(() => {
      life.assertAlive();
    }).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });

  test("the engine's own refusal comes through", () => {
    const life = new Lifecycle('group "a"', () => {
      throw new BalsaError('STORE_POISONED', 'a sync failed');
    });
    expect(() => {
      life.assertAlive();
    }).toThrow(expect.objectContaining({ code: 'STORE_POISONED' }));
  });
});
