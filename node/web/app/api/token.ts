/** Where the operator's token is kept: for this tab only, gone when it is closed. */
const storageKey = "phytomer.operator-token";

/**
 * Takes the token out of the address (`#token=…`), where `phytomer dev` puts it: a fragment is never
 * sent to a server, and it is removed at once so that it does not end up in a bookmark or a copied link.
 */
export function takeTokenFromAddress(): void {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  if (token !== "") keepToken(token);
  history.replaceState(history.state, "", location.pathname + location.search);
}

export const operatorToken = (): string | null => sessionStorage.getItem(storageKey);
export const keepToken = (token: string): void => sessionStorage.setItem(storageKey, token.trim());
export const dropToken = (): void => sessionStorage.removeItem(storageKey);
