/** Loads an adapter only when it is asked for: nobody needs the native binding of an engine that is not used. */
import type { Engine, Env } from '@balsa/raft-core';
import { EngineChoiceError } from './errors.ts';
import { makePlace } from './place.ts';
import type { EngineOptions } from './options.ts';
import type { EnginePlace, PlaceOptions } from './source.ts';

/** An adapter's `open...Engine`, which checks the options that it is given by itself. */
export type OpenEngine = (options: { readonly directory: string; readonly env: Env }) => Promise<Engine>;

/** Node's codes, and texts of loaders of bindings, for a native part that is absent or of another Node or machine. */
const bindingCodes: ReadonlySet<unknown> = new Set([
  'ERR_DLOPEN_FAILED',
  'MODULE_NOT_FOUND',
  'ERR_MODULE_NOT_FOUND',
]);
const bindingTexts = /bindings file|NODE_MODULE_VERSION|No native build|prebuild|\.node'?$/i;

function isMissingBinding(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return bindingCodes.has((error as NodeJS.ErrnoException).code) || bindingTexts.test(error.message)
    ? true
    : isMissingBinding(error.cause);
}

/** `EngineChoiceError` that says what to do when `work` fails because the native binding cannot be loaded. */
export async function withBinding<T>(engine: string, advice: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isMissingBinding(error)) throw error;
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    throw new EngineChoiceError(`the native binding of ${engine} cannot be loaded (${said}): ${advice}`, {
      cause: error,
    });
  }
}

/** The place of an engine that is nothing but files of a directory. */
export function directoryPlace(
  engine: string,
  { directory, env }: PlaceOptions,
  options: EngineOptions,
  parts: { readonly load: () => Promise<OpenEngine>; readonly notData: RegExp; readonly advice: string },
): EnginePlace {
  return makePlace({
    reference: { engine, directory, options },
    notData: parts.notData,
    open: () =>
      withBinding(engine, parts.advice, async () => (await parts.load())({ ...options, directory, env })),
  });
}
