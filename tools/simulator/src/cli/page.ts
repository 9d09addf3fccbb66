/** Puts the totals of a run into a page, between two marks. */
import { pageOf } from './report.ts';
import type { Totals } from './totals.ts';

const begin = '<!-- the run: made by `npm run simulate -- merge --page` -->';
const end = '<!-- end of the run -->';

/** Throws `RangeError` where the marks are not there once each, in order. */
export function intoPage(page: string, totals: Totals): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from || page.includes(begin, from + 1) || page.includes(end, to + 1))
    throw new RangeError(`the page must hold ${begin} and ${end}, once each`);
  return `${page.slice(0, from + begin.length)}\n\n${pageOf(totals)}\n${page.slice(to)}`;
}
