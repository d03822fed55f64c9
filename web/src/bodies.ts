// SPDX-License-Identifier: Apache-2.0
//
// Whole snapshots of those that came last or were opened last. One may take 64 KiB, so that only
// some hundreds are kept; the others are fetched again when they are opened.
import type { Snapshot } from "./types";

export class Bodies {
  private readonly kept = new Map<string, Snapshot>(); // least recently used first

  constructor(private readonly most: number) {}

  put(snapshot: Snapshot): void {
    this.kept.delete(snapshot.id);
    this.kept.set(snapshot.id, snapshot);
    for (const id of this.kept.keys()) {
      if (this.kept.size <= this.most) {
        return;
      }
      this.kept.delete(id);
    }
  }

  get(id: string): Snapshot | null {
    const found = this.kept.get(id);
    if (found === undefined) {
      return null;
    }
    this.put(found);
    return found;
  }
}
