// How the page sends an operation to the gateway, and what it says when the answer is not GraphQL.

import type { GraphiQLProps } from "graphiql";

/** Sends operations to `endpoint` on the page's own origin with whatever the Headers pane holds. */
export function gatewayFetcher(endpoint: string): GraphiQLProps["fetcher"] {
  return async (operation, options) => {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json;q=0.9",
        ...options?.headers,
      },
      body: JSON.stringify(operation),
    });
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`${endpoint} answered ${response.status} with something that is not JSON: ${text.slice(0, 200)}`);
    }
  };
}
