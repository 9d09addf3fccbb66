/** What a set of votes amounts to. */

export const VoteResult = {
  /** Neither side has a quorum yet. */
  VotePending: 1,
  /** A quorum has refused, or so many that none can be won any more. */
  VoteLost: 2,
  VoteWon: 3,
} as const;
export type VoteResult = (typeof VoteResult)[keyof typeof VoteResult];

/** The name, as the transcripts print it. */
export function voteResultName(result: VoteResult): string {
  if (result === VoteResult.VoteWon) return 'VoteWon';
  return result === VoteResult.VoteLost ? 'VoteLost' : 'VotePending';
}
