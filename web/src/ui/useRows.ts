// SPDX-License-Identifier: Apache-2.0
//
// Rows of one height, of which only those on the screen are elements.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { topShowing, visibleRange, type View } from "../window";

const OVERSCAN = 20;

export function useRows(count: number, rowHeight: number) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) {
      return undefined;
    }
    const measure = () => setHeight(element.clientHeight);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  const view: View = { top, height, rowHeight, count };
  const scrollTo = (wanted: number): void => {
    if (box.current !== null && box.current.scrollTop !== wanted) {
      box.current.scrollTop = wanted;
      setTop(box.current.scrollTop); // drawn before anything is painted
    }
  };
  return {
    box,
    ...visibleRange(view, OVERSCAN),
    page: Math.max(1, Math.floor(height / rowHeight) - 1),
    onScroll: (event: preact.JSX.TargetedEvent<HTMLElement>) => setTop(event.currentTarget.scrollTop),
    /** Into sight, and no further. */
    show: (index: number) => box.current !== null && scrollTo(topShowing({ ...view, top: box.current.scrollTop, height: box.current.clientHeight }, index)),
    /** To the upper third. */
    showInside: (index: number) =>
      box.current !== null && scrollTo(Math.max(0, index * rowHeight - Math.floor(box.current.clientHeight / 3))),
  };
}
