/** What files and the operating system say, as registered codes. */
export { corrupt, poisoned, refusal as refused, unknownOutcome } from '@balsa/storage-kit';
