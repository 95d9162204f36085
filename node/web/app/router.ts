import { fill, h } from "./dom.ts";
import { problemView } from "./parts/problem.ts";

/** A page that is ready to be shown. */
export interface Page {
  readonly title: string;
  readonly view: Node;
}

/** What a page is given to live with. */
export interface Visit {
  /** The captured parts of the path. */
  readonly params: readonly string[];
  /** Aborted when the reader leaves. */
  readonly signal: AbortSignal;
  /** Goes to another page. */
  readonly go: (path: string) => void;
}

/** Opens a page. */
export type Open = (visit: Visit) => Promise<Page> | Page;

/** A path and the page that it opens. */
export interface Route {
  readonly path: RegExp;
  readonly open: Open;
}

/** Shows `routes` in `main`, follows links within the page and the browser's back and forward. */
export class Router {
  private leaving = new AbortController();

  constructor(
    private readonly main: HTMLElement,
    private readonly routes: readonly Route[],
    private readonly onShow: (path: string) => void,
  ) {
    // Pages are built when they are shown, so the browser cannot know how far to scroll back.
    history.scrollRestoration = "manual";
    document.addEventListener("click", (event) => this.follow(event));
    addEventListener("popstate", (event) => void this.show(scrollOf(event.state)));
  }

  /** Goes to a path of this page. */
  go(path: string): void {
    history.replaceState({ scroll: scrollY }, "");
    history.pushState(null, "", path);
    void this.show();
  }

  /** Shows the page of the present address, scrolled to where it was left. */
  async show(scroll = 0): Promise<void> {
    this.leaving.abort();
    const leaving = new AbortController();
    this.leaving = leaving;
    const first = this.main.childElementCount === 0;
    this.main.setAttribute("aria-busy", "true");
    const page = await this.load(leaving.signal);
    if (leaving.signal.aborted) return;
    fill(this.main, page.view);
    this.main.removeAttribute("aria-busy");
    document.title = page.title === "" ? "phytomer" : `${page.title} · phytomer`;
    this.onShow(location.pathname);
    if (first) return;
    scrollTo(0, scroll);
    // A screen reader hears of the new page by its heading; a keyboard goes on from there.
    const heading = this.main.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }

  private async load(signal: AbortSignal): Promise<Page> {
    for (const route of this.routes) {
      const match = route.path.exec(location.pathname);
      if (match === null) continue;
      try {
        return await route.open({ params: match.slice(1), signal, go: (path) => this.go(path) });
      } catch (error) {
        return { title: "Error", view: h("div", { class: "failure" }, problemView(error, "h1"), wayBack()) };
      }
    }
    return { title: "Not found", view: notFound() };
  }

  private follow(event: MouseEvent): void {
    const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const address = link?.getAttribute("href") ?? link?.getAttribute("xlink:href");
    if (modified || event.defaultPrevented || link === null || address === null || address === undefined) return;
    const leavesPage = link.hasAttribute("download") || link.hasAttribute("target") || !address.startsWith("/");
    if (leavesPage || !this.routes.some((route) => route.path.test(address))) return;
    event.preventDefault();
    this.go(address);
  }
}

function scrollOf(state: unknown): number {
  const scroll = typeof state === "object" && state !== null && "scroll" in state ? state.scroll : 0;
  return typeof scroll === "number" ? scroll : 0;
}

function notFound(): Node {
  return h(
    "section",
    { class: "empty" },
    h("h1", {}, "Nothing grows here"),
    h("p", {}, "There is no page at this address."),
    wayBack(),
  );
}

function wayBack(): HTMLElement {
  return h("p", {}, h("a", { href: "/", class: "button" }, "Back to the certificates"));
}
