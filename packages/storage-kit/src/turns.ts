/** Runs what it is given one at a time, in the order of the calls. What fails holds up nobody behind it. */
export class Turns {
  #tail: Promise<unknown> = Promise.resolve();

  /** Starts `run` once all that came before has settled, never in the present turn; gives its outcome. */
  take<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
