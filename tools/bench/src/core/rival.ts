/**
 * A rival that runs beside us: any program that takes `-multi` and `-ser`, and prints for each cell a line with
 * `nodes=N batch=B ... NUMBER ops/s`. The Go program over etcd's core does.
 */
import { spawn } from 'node:child_process';
import { cellKey } from './cells.ts';

/** Entries a second of every cell of one mode, by the key of the cell. */
export async function runRival(
  program: string,
  mode: { readonly multi: boolean; readonly codec: boolean },
): Promise<ReadonlyMap<string, number>> {
  const args = [...(mode.multi ? ['-multi'] : []), ...(mode.codec ? ['-ser'] : [])];
  const output = await outputOf(program, args);
  const speeds = new Map<string, number>();
  for (const line of output.split('\n')) {
    const fields = /\bnodes=(\d+)\s+batch=(\d+)\b.*?([\d.]+)\s+ops\/s/.exec(line);
    if (fields === null) continue;
    speeds.set(cellKey({ nodes: Number(fields[1]), batch: Number(fields[2]), ...mode }), Number(fields[3]));
  }
  if (speeds.size === 0)
    throw new Error(`${program} ${args.join(' ')} printed no line with nodes=, batch= and ops/s`);
  return speeds;
}

function outputOf(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with exit code ${String(code)}`));
    });
  });
}
