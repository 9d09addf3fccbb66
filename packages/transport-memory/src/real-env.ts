/** The one place of this package that touches the real event loop. */

/**
 * Resolves on the next turn of the real event loop: by then every promise reaction that was ready, and
 * all that these made ready, have run. Awaiting a fixed number of settled promises would not promise that.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
