/** Merges what is said in one turn of the event loop into one message: a message costs more than what is in it. */

type Post<T> = (items: readonly T[], transfer: readonly ArrayBuffer[]) => void;

interface Waiting<T> {
  readonly item: T;
  readonly transfer: readonly ArrayBuffer[];
}

export class Outbox<T> {
  readonly #post: Post<T>;
  readonly #refused: (item: T, error: unknown) => void;
  #waiting: Waiting<T>[] = [];

  /** `refused` is called for an item that cannot be cloned; the others of its turn are sent all the same. */
  constructor(post: Post<T>, refused: (item: T, error: unknown) => void) {
    this.#post = post;
    this.#refused = refused;
  }

  /** Sends `item` at the end of the present turn, in the order of the calls. `transfer` is gone afterwards. */
  push(item: T, transfer: readonly ArrayBuffer[] = []): void {
    this.#waiting.push({ item, transfer });
    if (this.#waiting.length > 1) return;
    // Ticks come before promises, and again after them: this is behind both.
    queueMicrotask(() => {
      process.nextTick(() => {
        this.flush();
      });
    });
  }

  flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    try {
      this.#send(waiting);
    } catch {
      // One of them cannot be cloned; nothing was sent or transferred. Alone, each tells for itself.
      for (const one of waiting) this.#sendAlone(one);
    }
  }

  #sendAlone(one: Waiting<T>): void {
    try {
      this.#send([one]);
    } catch (error) {
      this.#refused(one.item, error);
    }
  }

  #send(waiting: readonly Waiting<T>[]): void {
    this.#post(
      waiting.map(({ item }) => item),
      waiting.flatMap(({ transfer }) => transfer),
    );
  }
}
