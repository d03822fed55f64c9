// SPDX-License-Identifier: Apache-2.0
//
// Which rows of a long list are on the screen. Rows have one height, so that this is arithmetic.

export interface View {
  top: number; // of the scrolled box, in pixels
  height: number;
  rowHeight: number;
  count: number;
}

/** Rows [first, end) are to be drawn: what is seen, and `overscan` rows on either side. */
export function visibleRange(view: View, overscan: number): { first: number; end: number } {
  const { top, height, rowHeight, count } = view;
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + overscan);
  return { first: Math.min(first, Math.max(0, end)), end: Math.max(0, end) };
}

/** Where the box has to be scrolled so that row `index` is seen; where it is when it is. */
export function topShowing(view: View, index: number): number {
  const rowTop = index * view.rowHeight;
  if (rowTop < view.top) {
    return rowTop;
  }
  const least = rowTop + view.rowHeight - view.height;
  return Math.max(view.top, least);
}

/**
 * Where the box has to be scrolled after rows came in above, so that what a person reads stays
 * in its place. At the very top it stays there: that is how one follows the newest.
 */
export function topAfterInsert(view: View, insertedAbove: number): number {
  return view.top <= 0 ? 0 : view.top + insertedAbove * view.rowHeight;
}
