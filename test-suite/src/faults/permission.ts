/** Permission lost, in the child: to the whole directory, and to write in it. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../child/job.ts';
import { lookOnce, type Failure } from '../child/look.ts';
import { Actor } from '../child/perform.ts';
import { blame, performAll, wrongNow, type FaultContext } from './context.ts';

/** The directory and all below it, deepest last. */
function below(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return [path, ...readdirSync(path).flatMap((name) => below(join(path, name)))];
}

/** Sets modes; gives back what undoes it. */
function restrict(root: string, directories: number, files: number): () => void {
  const before = below(root).map((path) => ({
    path,
    mode: statSync(path).mode,
    directory: statSync(path).isDirectory(),
  }));
  for (const { path, directory } of before.toReversed()) chmodSync(path, directory ? directories : files);
  return () => {
    for (const { path, mode } of before) chmodSync(path, mode);
  };
}

/** Runs without root: as another user when this process is root, which no mode stops. */
async function without(user: number | undefined, run: () => Promise<void>): Promise<void> {
  if (user === undefined) return run();
  process.seteuid?.(user);
  try {
    await run();
  } finally {
    process.seteuid?.(0);
  }
}

/** What has no code of ours is shown by its message already. */
function wrongCode({ code, message }: Failure): string {
  const found = code.endsWith(message) ? code : `${code}: ${message}`;
  return `it rejects with ${found}; expected STORE_IO (or STORE_LOCKED), with that error as its cause`;
}

export async function runPermission(
  context: FaultContext<Extract<Job, { kind: 'permission' }>>,
): Promise<void> {
  const { job, plan, expected } = context;
  await context.empty();
  const actor = new Actor(plan, () => context.open());
  await actor.open();
  await performAll(actor, plan.rounds.flat());
  await actor.close();
  for (const [what, directories, files] of [
    ['no permission at all', 0o000, 0o000],
    ['permission to read only', 0o555, 0o444],
  ] as const) {
    const undo = restrict(job.directory, directories, files);
    await without(job.user, async () => {
      const look = await lookOnce(() => context.open(), plan);
      if ('sight' in look) {
        const wrong = expected.wrong(look.sight, expected.complete);
        if (wrong !== undefined) blame(context, `${what}: ${wrong}`);
        context.say('tried permission absorbed');
      } else {
        if (!/^STORE_(IO|LOCKED)$/.test(look.code)) blame(context, `${what}: ${wrongCode(look)}`);
        context.say('tried permission refused');
      }
    });
    undo();
    const after = await wrongNow(context, expected.complete);
    if (after !== undefined) blame(context, `${what}, and then permission again: ${after}`);
  }
}
