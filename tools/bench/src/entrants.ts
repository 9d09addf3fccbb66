/** Who takes part: engines by name with their options, or modules. */
import { findEngine, type EngineSource, type RawOptions } from '@balsa/engines';

/**
 * In-thread and worker are rows of their own: the one is measured against the floor, the other keeps the
 * event loop free.
 */
const defaults: readonly string[] = [
  'memory',
  'sqlite',
  'sqlite:worker=true',
  'redis',
  'rocksdb:worker=false',
  'rocksdb:worker=true',
];

/** `sqlite:worker=true,synchronous=EXTRA`: the name or path, a colon, options. */
export function parseEntrant(text: string): { readonly name: string; readonly options: RawOptions } {
  const match = /^(.*?)(?::(\w+=.*))?$/s.exec(text);
  const [, name = text, tail] = match ?? [];
  const options: Record<string, string> = {};
  for (const pair of tail?.split(',') ?? []) {
    const at = pair.indexOf('=');
    options[at < 0 ? pair : pair.slice(0, at)] = at < 0 ? '' : pair.slice(at + 1);
  }
  return { name, options };
}

/** Rejects with `EngineChoiceError` for a wrong name or option of somebody's choice. */
export async function findEntrants(texts: readonly string[]): Promise<EngineSource[]> {
  const sources: EngineSource[] = [];
  for (const text of texts.length === 0 ? defaults : texts) {
    const { name, options } = parseEntrant(text);
    sources.push(await findEngine(name, options));
  }
  return sources;
}
