/** What an engine of ours says about itself; `makeSource` makes of it what tools use. */
import {
  labelOf,
  parseEngineOptions,
  type EngineOptions,
  type EngineOptionSpecs,
  type RawOptions,
} from './options.ts';
import { openOwned } from './place.ts';
import type { EnginePlace, EngineSource, PlaceOptions } from './source.ts';

export interface EngineDefinition {
  readonly name: string;
  readonly description: string;
  readonly needs?: string;
  readonly persistent: boolean;
  readonly optionSpecs: EngineOptionSpecs;
  prepare(place: PlaceOptions, options: EngineOptions): Promise<EnginePlace>;
  /** See `EngineSource.isOpen`. */
  isOpen(directory: string): Promise<boolean>;
}

export function makeSource(definition: EngineDefinition, raw: RawOptions): EngineSource {
  const { name, optionSpecs } = definition;
  const options = parseEngineOptions(name, optionSpecs, raw);
  const prepare = (place: PlaceOptions): Promise<EnginePlace> => definition.prepare(place, options);
  return {
    name,
    label: labelOf(name, options),
    description: definition.description,
    needs: definition.needs,
    persistent: definition.persistent,
    options,
    optionSpecs,
    prepare,
    isOpen: (directory) => definition.isOpen(directory),
    open: async (place) => openOwned(await prepare(place)),
  };
}
