/**
 * Bounds that belong to the meaning of commands, so they are the same on every node of a cluster and
 * never configurable: a node with another bound would compute another result.
 */

/** Bytes of one value. APPEND past it is an error; a larger argument never reaches the log. */
export const maxValueBytes: number = 4 * 1024 * 1024;
/** Bytes of one key. With its place in the store (`storeKey`) it fits the OrderedStore's key limit. */
export const maxUserKeyBytes: number = 65_531;
/** Bytes of one encoded command; below the cluster's default entry limit of 8 MiB with its envelope. */
export const maxCommandBytes: number = 7 * 1024 * 1024;
