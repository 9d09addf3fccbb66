/** What can be wrong with the choice of an engine, as opposed to an engine that fails. */

/** A name, an option or a module that does not exist, or an adapter that cannot run here. Commands end with exit code 2. */
export class EngineChoiceError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EngineChoiceError';
  }
}
