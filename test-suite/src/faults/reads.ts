export async function runReads(_: unknown): Promise<void> {}
