/** Which engine each node of a cluster keeps its data in. */
import {
  EngineChoiceError,
  engineNames,
  findEngine,
  type EngineSource,
  type RawOptions,
} from '@balsa/engines';

/** As `balsa serve --storage NAME --storage-option K=V` takes it. */
export interface NodeStorage {
  readonly name: string;
  readonly options: RawOptions;
}

/** Of an engine's options those that it knows; a module of somebody's own is given all. */
function optionsFor(source: EngineSource, options: RawOptions): RawOptions {
  if (!engineNames.includes(source.name)) return options;
  const known = Object.entries(options).filter(([key]) => Object.hasOwn(source.optionSpecs, key));
  return Object.fromEntries(known);
}

/**
 * `list` names one engine for all of `count` nodes, or one for each, separated by commas. Each engine gets those of
 * `options` that it knows; one that none of them knows is refused. `EngineChoiceError` for whatever cannot be.
 */
export async function planStorages(list: string, options: RawOptions, count: number): Promise<NodeStorage[]> {
  const names = list.split(',').map((name) => name.trim());
  if (names.length !== 1 && names.length !== count) {
    throw new EngineChoiceError(
      `name one engine for all nodes, or ${count} separated by commas, one for each; ${JSON.stringify(list)} names ${names.length}`,
    );
  }
  const sources = new Map<string, EngineSource>();
  for (const name of names) sources.set(name, await findEngine(name));
  const plans = names.map((name) => {
    const source = sources.get(name);
    return { name, options: source === undefined ? options : optionsFor(source, options) };
  });
  for (const key of Object.keys(options)) {
    if (plans.some((plan) => Object.hasOwn(plan.options, key))) continue;
    const known = [...sources.values()].flatMap((source) => Object.keys(source.optionSpecs));
    throw new EngineChoiceError(
      `none of ${names.join(', ')} has an option ${key}; there are: ${[...new Set(known)].join(', ')}`,
    );
  }
  // The values are looked at before the first node is started.
  for (const { name, options: own } of plans) await findEngine(name, own);
  return Array.from(
    { length: count },
    (_, i) => plans[names.length === 1 ? 0 : i] ?? { name: list, options },
  );
}

/** The arguments of `balsa serve` that choose it. */
export function storageArguments(storage: NodeStorage | undefined): string[] {
  if (storage === undefined) return [];
  const options = Object.entries(storage.options).flatMap(([key, value]) => [
    '--storage-option',
    `${key}=${value}`,
  ]);
  return ['--storage', storage.name, ...options];
}
