export async function runPermission(_: unknown): Promise<void> {}
