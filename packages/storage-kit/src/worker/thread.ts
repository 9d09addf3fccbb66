/** A worker thread as the caller sees it. It serves one engine after another, never two at once. */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { HostData, Session } from './protocol.ts';

export class HostThread {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #death: unknown;
  #ending = false;
  #onDeath: (cause: unknown) => void = () => undefined;

  constructor(main: URL, name: string) {
    // The flags of this process are its own: a debugger's port, a loader of a test runner.
    this.#worker = new Worker(main, { execArgv: [], name });
    this.#worker.on('error', (error: unknown) => this.#die(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#die(new Error(`the worker thread ended with exit code ${String(code)}`));
        resolve();
      });
    });
  }

  get isDead(): boolean {
    return this.#death !== undefined;
  }

  /**
   * Opens the engine that `data` names. What is said about it goes through the port that is returned, which does
   * not keep the process alive; what an engine before it still says goes nowhere.
   */
  begin(data: HostData): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#worker.postMessage({ port: port2, data } satisfies Session, [port2]);
    return port1;
  }

  /** Who is told, once, that the thread has ended or is about to. Replaces who was before. */
  onDeath(told: (cause: unknown) => void): void {
    this.#onDeath = told;
  }

  /** Keeps the process alive until `letGo`. */
  hold(): void {
    this.#worker.ref();
  }

  letGo(): void {
    this.#worker.unref();
  }

  /** Whether its end was asked for. */
  get isEnding(): boolean {
    return this.#ending;
  }

  /** Ends it, whatever it does. Resolves when it is gone. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.#worker.terminate();
    await this.#exited;
  }

  #die(cause: unknown): void {
    if (this.#death !== undefined) return;
    this.#death = cause;
    this.#onDeath(cause);
  }
}
