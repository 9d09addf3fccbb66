/** Turns the signals that ask a process to stop into an AbortSignal. */

export interface StopRequest {
  readonly signal: AbortSignal;
  /** 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP; 0 while nobody asked. */
  exitCode(): number;
  /** Asks for it from within. */
  request(): void;
}

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Repeated signals change nothing: npm, a shell and a terminal may each send one. */
export function listenForStop(): StopRequest {
  const controller = new AbortController();
  let exitCode = 0;
  for (const [name, code] of Object.entries(exitCodes)) {
    process.on(name, () => {
      if (exitCode === 0) exitCode = code;
      controller.abort(new Error(`stopped by ${name}`));
    });
  }
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    request: () => {
      controller.abort(new Error('stopped'));
    },
  };
}
