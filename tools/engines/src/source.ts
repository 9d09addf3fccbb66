/** What every engine looks like to a tool: where it comes from, what it needs, how it is opened. */
import type { Engine, Env } from '@balsa/raft-core';
import type { EngineOptions, EngineOptionSpecs } from './options.ts';

export interface PlaceOptions {
  /** Below it lie all data of the place, its server's among them. Created when it is missing. */
  readonly directory: string;
  readonly env: Env;
}

/** A server that holds the data of one place in another process, started by us. */
export interface EngineServer {
  /** As the engine is given it. The same for all lives of the server. */
  readonly url: string;
  /** Of the process that writes to the disk; undefined while none runs. */
  pid(): number | undefined;
  /** With these variables added to its environment. Resolves when it serves; does nothing when it runs. */
  start(extraEnv?: Readonly<Record<string, string>>): Promise<void>;
  /** In good order. Resolves when the process is gone. */
  stop(): Promise<void>;
  /** SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Stops it when it runs, also after it was killed, and starts it again on the same data. */
  restart(extraEnv?: Readonly<Record<string, string>>): Promise<void>;
}

/** A way to the server of a place on which faults can be laid, for those who try the engine. Costs nothing until used. */
export interface EngineConnection {
  /** The engine of the place, this way, with a low bound on how long it waits for a reply. */
  open(): Promise<Engine>;
  /** The next request that changes data meets this fault. Resolves when it has come. */
  arm(
    fault: 'cut-before' | 'cut-during' | 'cut-after' | 'delay' | 'half-close' | 'swallow-reply',
  ): Promise<void>;
  /** The engine loses its connections. What is delayed still arrives. */
  cut(): void;
  /** Ends every fault. Resolves when what was delayed has arrived. */
  heal(): Promise<void>;
}

/** How another process opens the same place with `openPlace`. Survives JSON. */
export interface PlaceReference {
  readonly engine: string;
  readonly directory: string;
  readonly options: EngineOptions;
}

/** One directory for the data of one engine, with its server where it has one. */
export interface EnginePlace extends AsyncDisposable {
  readonly directory: string;
  /** Undefined for engines within this process, and for a server that is not ours. */
  readonly server: EngineServer | undefined;
  /** Undefined where `server` is. */
  readonly connection: EngineConnection | undefined;
  readonly reference: PlaceReference;
  /** Again after the engine was closed: it finds the same data. */
  open(): Promise<Engine>;
  /** Absolute paths of the files that hold data now, sorted; locks and sockets are not among them. */
  files(): Promise<string[]>;
  /** Stops the server. The data stay. The engine is closed by then. Idempotent. */
  close(): Promise<void>;
}

/** One engine with its options chosen. */
export interface EngineSource {
  /** As it was asked for: a name of ours, or the path of a module. */
  readonly name: string;
  /** With the options: `sqlite worker=true`. */
  readonly label: string;
  /** One line for people. */
  readonly description: string;
  /** What has to be there for it, for people; undefined when nothing has. */
  readonly needs: string | undefined;
  /** Whether data outlive the process. */
  readonly persistent: boolean;
  readonly options: EngineOptions;
  readonly optionSpecs: EngineOptionSpecs;
  /** Starts what the engine needs. `EngineChoiceError` when it is not there and how to get it. */
  prepare(place: PlaceOptions): Promise<EnginePlace>;
  /**
   * Whether somebody has the data in `directory` open now, as far as this machine can tell: no owner notices, and
   * nothing changes. Always false for a module, which has no way to say it.
   */
  isOpen(directory: string): Promise<boolean>;
  /** `prepare` and `open` in one: closing the engine closes the place as well. */
  open(place: PlaceOptions): Promise<Engine>;
}
