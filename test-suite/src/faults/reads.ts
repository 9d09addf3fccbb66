/** Reads that fail, in the child: an error, never "there is nothing". */
import type { Job } from '../child/job.ts';
import { lookOnce } from '../child/look.ts';
import { Actor } from '../child/perform.ts';
import { ShimControl } from '../shim/control.ts';
import { blame, performAll, wrongNow, type FaultContext } from './context.ts';

/** Codes that say that something could not be read, or is not what it was. */
const readCodes = ['STORE_IO', 'STORE_CORRUPT'];

/** For each number n: opens and reads everything with the n-th read failing. */
export async function runReads(context: FaultContext<Extract<Job, { kind: 'reads' }>>): Promise<void> {
  const { job, plan, expected } = context;
  if (job.control === undefined) throw new Error('faults need the control block of the shim');
  const control = new ShimControl(job.control);
  await context.empty();
  const actor = new Actor(plan, () => context.open());
  await actor.open();
  await performAll(actor, plan.rounds.flat());
  await actor.close();
  control.reset();
  await lookOnce(() => context.open(), plan);
  const reads = control.get('reads');
  context.say(`reads ${String(reads)}`);
  for (const share of job.reads) {
    const n = 1 + Math.floor(share * reads);
    control.arm({ failRead: n });
    const look = await lookOnce(() => context.open(), plan);
    control.disarm();
    const came = control.get('injected') > 0;
    const what = `with read ${String(n)} of ${String(reads)} failing`;
    if ('sight' in look) {
      const wrong = expected.wrong(look.sight, expected.complete);
      if (wrong !== undefined) blame(context, `${what}: ${wrong}`);
    } else if (!readCodes.includes(look.code))
      blame(context, `${what}: ${look.code}, which does not say that a read failed: ${look.message}`);
    context.say(`tried read ${!came ? 'not-reached' : 'sight' in look ? 'absorbed' : 'refused'}`);
    const after = await wrongNow(context, expected.complete);
    if (after !== undefined) blame(context, `${what}, and afterwards none: ${after}`);
  }
  control.close();
}
