/** A lot as the tree needs it. */
export interface LineageNode {
  readonly id: string;
}

/** One step from a lot to a lot made of it. */
export interface LineageEdge {
  readonly parent: string;
  readonly child: string;
}

/** A lot in its place: generations are columns, from the oldest on the left. */
export interface Place {
  readonly id: string;
  readonly column: number;
  readonly row: number;
}

/** Childless siblings that share one place. */
export interface Fold {
  readonly parent: string;
  readonly count: number;
  readonly column: number;
  readonly row: number;
}

export interface Layout {
  readonly places: readonly Place[];
  readonly folds: readonly Fold[];
  readonly columns: number;
  readonly rows: number;
}

/**
 * Places lots so that every lot stands right of all it was made of, and the lots of one parent stand
 * together. Of more than `siblingsMax` childless siblings the rest is folded into one place; the lot
 * in `focus` is never folded away.
 */
export function layOut(
  nodes: readonly LineageNode[],
  edges: readonly LineageEdge[],
  focus: string,
  siblingsMax: number,
): Layout {
  const known = new Set(nodes.map((node) => node.id));
  const steps = edges.filter((edge) => known.has(edge.parent) && known.has(edge.child));
  const ids = [...known].sort(byNumber);
  const parents = group(
    steps,
    (step) => step.child,
    (step) => step.parent,
  );
  const columns = generations(ids, parents);
  // A merged lot has several parents; it stands with its first and is only drawn towards the others.
  const household = group(
    ids.filter((id) => parents.has(id)),
    (id) => [...(parents.get(id) ?? [])].sort(byNumber)[0] ?? id,
    (id) => id,
  );

  const places: Place[] = [];
  const folds: Fold[] = [];
  let rows = 0;
  const place = (id: string): number => {
    const column = columns.get(id) ?? 0;
    const { shown, folded } = fold(household.get(id) ?? [], household, focus, siblingsMax);
    const childRows = shown.map(place);
    if (folded > 0) {
      folds.push({ parent: id, count: folded, column: column + 1, row: rows });
      childRows.push(rows++);
    }
    const row = childRows.length === 0 ? rows++ : ((childRows[0] ?? 0) + (childRows.at(-1) ?? 0)) / 2;
    places.push({ id, column, row });
    return row;
  };
  for (const id of ids) if (!parents.has(id)) place(id);

  const widest = [...places, ...folds].reduce((most, { column }) => Math.max(most, column + 1), 0);
  return { places: places.sort((one, other) => byNumber(one.id, other.id)), folds, columns: widest, rows };
}

function fold(
  siblings: readonly string[],
  household: ReadonlyMap<string, readonly string[]>,
  focus: string,
  siblingsMax: number,
): { shown: readonly string[]; folded: number } {
  if (siblings.length <= siblingsMax) return { shown: siblings, folded: 0 };
  const kept = (id: string) => household.has(id) || id === focus;
  let free = Math.max(0, siblingsMax - siblings.filter(kept).length);
  const shown = siblings.filter((id) => kept(id) || free-- > 0);
  return { shown, folded: siblings.length - shown.length };
}

/** The length of the longest way from a root to each lot. Ids grow with time, so parents come first. */
function generations(ids: readonly string[], parents: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const columns = new Map<string, number>();
  for (const id of ids) {
    const deepest = (parents.get(id) ?? []).reduce(
      (most, parent) => Math.max(most, (columns.get(parent) ?? -1) + 1),
      0,
    );
    columns.set(id, deepest);
  }
  return columns;
}

function group<Item, Value>(
  items: readonly Item[],
  key: (item: Item) => string,
  value: (item: Item) => Value,
): Map<string, Value[]> {
  const groups = new Map<string, Value[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), value(item)]);
  return groups;
}

function byNumber(one: string, other: string): number {
  return one.length - other.length || (one < other ? -1 : one > other ? 1 : 0);
}
