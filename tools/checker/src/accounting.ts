/** The plainest question of all: is every acknowledged write there, once, and nothing that was refused? */

export interface Account {
  /** Ids of writes that were acknowledged. */
  readonly acknowledged: Iterable<string>;
  /** Ids of writes that were refused: they must never appear. */
  readonly refused?: Iterable<string>;
  /** Ids of writes whose outcome nobody learned: they may be there, once. */
  readonly unknown?: Iterable<string>;
  /** Ids found in the end, one for each time they are found. */
  readonly present: Iterable<string>;
}

export interface AccountingResult {
  readonly ok: boolean;
  /** Acknowledged, and not there. */
  readonly lost: readonly string[];
  /** There more than once. */
  readonly duplicated: readonly string[];
  /** Refused, and there. */
  readonly refusedPresent: readonly string[];
  /** There, and never written by anybody. Only judged when `unknown` is given. */
  readonly phantom: readonly string[];
}

export function checkAccount(account: Account): AccountingResult {
  const counts = new Map<string, number>();
  for (const id of account.present) counts.set(id, (counts.get(id) ?? 0) + 1);
  const acknowledged = new Set(account.acknowledged);
  const refused = new Set(account.refused ?? []);
  const unknown = account.unknown === undefined ? undefined : new Set(account.unknown);
  const lost = [...acknowledged].filter((id) => !counts.has(id));
  const duplicated = [...counts].filter(([, count]) => count > 1).map(([id]) => id);
  const refusedPresent = [...refused].filter((id) => counts.has(id));
  const isPhantom = (id: string): boolean =>
    unknown !== undefined && !unknown.has(id) && !acknowledged.has(id) && !refused.has(id);
  const phantom = [...counts.keys()].filter(isPhantom);
  const ok = lost.length + duplicated.length + refusedPresent.length + phantom.length === 0;
  return { ok, lost, duplicated, refusedPresent, phantom };
}
