/**
 * Opens any of Balsa's engines, or a module's own, by name and options; starts what they need.
 *
 * `(await findEngine('redis', { url })).prepare({ directory, env })` gives a place; the place opens the engine, as
 * often as needed, and stops its server when it is closed.
 * @packageDocumentation
 */
export { EngineChoiceError } from './errors.ts';
export { importFailure } from './import-failure.ts';
export { engineNames, findEngine, openReference, persistentEngineNames } from './find.ts';
export {
  addRawOption,
  labelOf,
  type EngineOptions,
  type EngineOptionSpec,
  type EngineOptionSpecs,
  type EngineOptionType,
  type EngineOptionValue,
  type RawOptions,
} from './options.ts';
export { closingAfter } from './place.ts';
export type {
  EngineConnection,
  EnginePlace,
  EngineServer,
  EngineSource,
  PlaceOptions,
  PlaceReference,
} from './source.ts';
