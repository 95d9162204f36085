// The web page of a node. `api/` speaks to the node: REST, JSON-RPC and its event stream. `verify/` judges
// credentials, by mathematics first and by the node's word second; it knows no page. `parts/` are pieces of
// pages, `pages/` the pages. A page is built when its path is opened and listens until it is left.
import "./style/base.css";
import "./style/parts.css";
import "./style/certificate.css";
import "./style/pages.css";
import { connect, onConnection } from "./api/live.ts";
import { takeTokenFromAddress } from "./api/token.ts";
import { h, s } from "./dom.ts";
import { openBlock } from "./pages/block.ts";
import { openBlocks } from "./pages/blocks.ts";
import { openCertificate } from "./pages/certificate.ts";
import { openHome } from "./pages/home.ts";
import { openIssue } from "./pages/issue.ts";
import { openTransaction } from "./pages/transaction.ts";
import { openVerify } from "./pages/verify.ts";
import { type Route, Router } from "./router.ts";

const routes: readonly Route[] = [
  { path: /^\/$/, open: openHome },
  { path: /^\/issue$/, open: openIssue },
  { path: /^\/verify$/, open: openVerify },
  { path: /^\/c\/(\d+)$/, open: openCertificate },
  { path: /^\/blocks$/, open: openBlocks },
  { path: /^\/blocks\/(\d+)$/, open: openBlock },
  { path: /^\/tx\/(0x[0-9a-fA-F]{64})$/, open: openTransaction },
];

const destinations = [
  { path: "/", name: "Certificates" },
  { path: "/issue", name: "Issue" },
  { path: "/verify", name: "Verify" },
  { path: "/blocks", name: "Ledger" },
] as const;

function start(): void {
  takeTokenFromAddress();
  // A link with a token may be opened in a tab that shows the page already: only the fragment changes.
  addEventListener("popstate", takeTokenFromAddress);
  const links = destinations.map(({ path, name }) => h("a", { href: path }, name));
  const main = h("main", { id: "main" });
  document.body.append(skipLink(main), header(links), main, footer());
  const router = new Router(main, routes, (path) => markPresent(links, path));
  // A file that misses its place must not replace the page.
  for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
  connect();
  void router.show();
}

/** Lets the keyboard pass over the navigation. */
function skipLink(main: HTMLElement): HTMLElement {
  const skip = (event: Event) => {
    event.preventDefault();
    main.setAttribute("tabindex", "-1");
    main.focus();
  };
  return h("a", { href: "#main", class: "skip", click: skip }, "Skip to content");
}

function header(links: readonly HTMLElement[]): HTMLElement {
  return h(
    "header",
    { class: "header" },
    h(
      "a",
      { href: "/", class: "brand", "aria-label": "phytomer, to the beginning" },
      logo(),
      h("span", {}, "phytomer"),
    ),
    h("nav", { "aria-label": "Main" }, links),
  );
}

function logo(): SVGSVGElement {
  return s(
    "svg",
    { viewBox: "0 0 32 32", class: "logo", "aria-hidden": "true" },
    s("path", { d: "M16 30V4", class: "stem" }),
    s("path", { d: "M16 22C7 22 3.5 17 3 11c7 0 12.5 3.5 13 11zM16 14c.5-6.5 5-10 13-10.5C29 10 24.5 14 16 14z" }),
  );
}

function footer(): HTMLElement {
  const words = { connecting: "Connecting…", live: "Live", broken: "Not connected: this page may be out of date" };
  const state = h("p", { class: "connection" });
  onConnection((connection) => {
    state.textContent = words[connection];
    state.dataset.state = connection;
    // Only bad news interrupts those who hear the page.
    state.setAttribute("role", connection === "broken" ? "alert" : "paragraph");
  });
  return h(
    "footer",
    { class: "footer" },
    h("p", {}, "Private certificates: neither a laboratory diagnosis nor a phytosanitary certificate."),
    state,
  );
}

function markPresent(links: readonly HTMLElement[], path: string): void {
  for (const link of links) {
    const target = link.getAttribute("href") ?? "";
    const present =
      target === "/"
        ? path === "/" || path.startsWith("/c/")
        : path.startsWith(target) || (target === "/blocks" && path.startsWith("/tx/"));
    if (present) link.setAttribute("aria-current", path === target ? "page" : "true");
    else link.removeAttribute("aria-current");
  }
}

start();
