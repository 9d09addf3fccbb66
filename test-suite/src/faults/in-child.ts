export async function runFaults(_: unknown): Promise<void> {}
