// What the gateway tells the page at its start: where the graph is and which tabs to open with.

/** One tab as the gateway describes it; `variables` and `headers` are plain JSON objects. */
export interface GivenTab {
  readonly title: string;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface PageConfig {
  /** Path of the GraphQL endpoint on the page's own origin. */
  readonly endpoint: string;
  readonly tabs: readonly GivenTab[];
  /** True when the stores behind the graph are made up and callers need no token. */
  readonly sandbox: boolean;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readTab(value: unknown, index: number): GivenTab {
  if (!isObject(value) || typeof value["query"] !== "string") {
    throw new Error(`tabs[${index}] has no query.`);
  }
  const { title = "", query, variables = {}, headers = {} } = value;
  if (typeof title !== "string" || !isObject(variables) || !isObject(headers)) {
    throw new Error(`tabs[${index}]: title must be text; variables and headers must be objects.`);
  }
  return { title, query, variables, headers };
}

/** Reads the configuration; `address` is resolved on the page's origin. Throws an Error that says what is wrong. */
export async function loadConfig(address: URL): Promise<PageConfig> {
  const response = await fetch(address, { headers: { accept: "application/json" } });
  if (!response.ok) {
    throw new Error(`${address.pathname} answered ${response.status}.`);
  }
  const value: unknown = await response.json();
  if (!isObject(value) || typeof value["endpoint"] !== "string") {
    throw new Error(`${address.pathname} names no endpoint.`);
  }
  const { endpoint, tabs = [], sandbox = false } = value;
  if (!Array.isArray(tabs) || typeof sandbox !== "boolean") {
    throw new Error(`${address.pathname}: tabs must be a list and sandbox true or false.`);
  }
  return { endpoint, tabs: tabs.map(readTab), sandbox };
}
