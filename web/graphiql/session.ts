// What the browser remembers between visits, and when the gateway's own tabs come before it.

import type { GivenTab } from "./config";

const PREFIX = "aftersale:";
const GIVEN_TABS = `${PREFIX}given-tabs`;
/** The names under which GraphiQL keeps what was typed; everything else it keeps is taste: theme, sizes, history. */
const TYPED = ["tabState", "query", "variables", "headers"].map((name) => `${PREFIX}graphiql:${name}`);

/** The part of the browser's Storage that GraphiQL uses. */
export type PageStorage = Pick<Storage, "getItem" | "setItem" | "removeItem" | "clear" | "length">;

export interface Session {
  /** Null where the browser refuses to store anything; GraphiQL then remembers nothing. */
  readonly storage: PageStorage | null;
  /** The tab that was open last; null when the given tabs are to be shown. */
  readonly left: TabText | null;
}

/** What is written in one tab's panes. */
export interface TabText {
  readonly query: string | null;
  readonly variables: string | null;
  readonly headers: string | null;
}

/** localStorage under a prefix of our own: other pages served from the same host and port use GraphiQL's names too. */
class PrefixedStorage implements PageStorage {
  #keys(): string[] {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  }

  get length(): number {
    return this.#keys().length;
  }

  getItem(key: string): string | null {
    return localStorage.getItem(PREFIX + key);
  }

  setItem(key: string, value: string): void {
    localStorage.setItem(PREFIX + key, value);
  }

  removeItem(key: string): void {
    localStorage.removeItem(PREFIX + key);
  }

  clear(): void {
    for (const key of this.#keys()) {
      localStorage.removeItem(key);
    }
  }
}

/** The open tab of GraphiQL's own record, or null where there is none that can be read. */
function openTab(record: string | null): TabText | null {
  try {
    const { tabs, activeTabIndex } = JSON.parse(record ?? "null");
    const { query = null, variables = null, headers = null } = tabs[activeTabIndex];
    return { query, variables, headers };
  } catch {
    return null;
  }
}

/** Opens what was kept. Tabs of an earlier visit stay only while the gateway still gives the tabs they grew from. */
export function openSession(given: readonly GivenTab[]): Session {
  const wanted = JSON.stringify(given);
  try {
    if (localStorage.getItem(GIVEN_TABS) !== wanted) {
      for (const key of TYPED) {
        localStorage.removeItem(key);
      }
      localStorage.setItem(GIVEN_TABS, wanted);
    }
    const storage = new PrefixedStorage();
    return { storage, left: openTab(storage.getItem("graphiql:tabState")) };
  } catch {
    return { storage: null, left: null };
  }
}
