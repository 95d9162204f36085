import { describe, expect, test } from "vitest";
import { type LineageEdge, layOut } from "../app/parts/lineage-layout.ts";

const nodes = (count: number) => Array.from({ length: count }, (_, at) => ({ id: String(at + 1) }));
const edge = (parent: number, child: number): LineageEdge => ({ parent: String(parent), child: String(child) });

describe("the drawing of a lineage", () => {
  test("a lot without relatives stands alone", () => {
    expect(layOut(nodes(1), [], "1", 8)).toEqual({
      places: [{ id: "1", column: 0, row: 0 }],
      folds: [],
      columns: 1,
      rows: 1,
    });
  });

  test("a split stands right of its parent, which is centred on it", () => {
    const { places } = layOut(nodes(4), [edge(1, 2), edge(1, 3), edge(1, 4)], "1", 8);
    expect(places).toEqual([
      { id: "1", column: 0, row: 1 },
      { id: "2", column: 1, row: 0 },
      { id: "3", column: 1, row: 1 },
      { id: "4", column: 1, row: 2 },
    ]);
  });

  test("a merged lot stands right of its deepest parent", () => {
    const { places } = layOut(nodes(4), [edge(1, 3), edge(2, 4), edge(3, 4)], "4", 8);
    expect(places.find(({ id }) => id === "4")?.column).toBe(2);
  });

  test("no two lots share a place, and children stand right of parents, in random lineages", () => {
    let state = 7;
    const random = (below: number) => {
      state = (state * 48271) % 0x7fffffff;
      return state % below;
    };
    for (let round = 0; round < 200; round++) {
      const count = 2 + random(30);
      const edges = Array.from({ length: count - 1 }, (_, at) => at + 2).flatMap((child) =>
        [...new Set(Array.from({ length: random(3) }, () => 1 + random(child - 1)))].map((parent) =>
          edge(parent, child),
        ),
      );
      const { places, folds } = layOut(nodes(count), edges, String(1 + random(count)), 3);
      const column = new Map(places.map((place) => [place.id, place.column]));
      const taken = [...places, ...folds].map((place) => `${place.column}/${place.row}`);
      expect(new Set(taken).size).toBe(taken.length);
      for (const { parent, child } of edges) {
        const [from, to] = [column.get(parent), column.get(child)];
        if (from !== undefined && to !== undefined) expect(to).toBeGreaterThan(from);
      }
      expect(places.length + folds.reduce((sum, fold) => sum + fold.count, 0)).toBe(count);
    }
  });

  test("many childless siblings are folded, but never the one in focus nor one with children", () => {
    const children = Array.from({ length: 50 }, (_, at) => edge(1, at + 2));
    const { places, folds } = layOut(nodes(52), [...children, edge(40, 52)], "51", 8);
    const shown = places.map(({ id }) => id);
    expect(folds).toHaveLength(1);
    expect(folds[0]?.count).toBe(42);
    expect(shown).toContain("51");
    expect(shown).toContain("40");
    expect(shown).toContain("52");
  });
});
