/** Runs seeds until one breaks a rule. Started in a changed copy; says on stdout what it found. */
import type { ProfileName } from '../plan.ts';
import { simulate } from '../simulate.ts';

const [profile = 'swarm', events = '5000', from = '1', to = '2000'] = process.argv.slice(2);

const started = performance.now();
let total = 0;
for (let seed = Number(from); seed <= Number(to); seed++) {
  const { violation, events: ran } = await simulate(seed, {
    profile: profile as ProfileName,
    events: Number(events),
  });
  total += ran;
  const found = { seed, seconds: (performance.now() - started) / 1000, events: total };
  if (violation !== undefined) {
    process.stdout.write(
      `${JSON.stringify({ ...found, rule: violation.rule, message: violation.message })}\n`,
    );
    break;
  }
  process.stderr.write(`${JSON.stringify(found)}\n`);
}
