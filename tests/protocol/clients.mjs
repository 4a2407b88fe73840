// Real clients against the endpoint: Apollo Client 4, urql and graphql-request. Prints what each of them read, one JSON
// line for each client.
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";

import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql as apolloGql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, cacheExchange, fetchExchange, gql as urqlGql } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { ClientError, GraphQLClient } from "graphql-request";

const [url, keys] = process.argv.slice(2);
const { possibleTypes } = JSON.parse(readFileSync(new URL("../../schema/possibleTypes.json", import.meta.url)));

// A documented operation that every gateway trusts.
const { operations } = JSON.parse(readFileSync(new URL("../../gateway/operations/documents.json", import.meta.url)));
const documented = operations.find(({ name }) => name === "HowIsMyRequest");

const STORES = `query Stores { stores { id platform } }`;
const CANCEL = `
  mutation Cancel($id: ID!, $key: String!) {
    cancelOrder(input: { orderId: $id }, idempotencyKey: $key) { replayed problem { __typename ...Told } }
  }
  fragment Told on Problem { code customerMessage retryable ... on PolicyDenied { decision { verdict } } }
`;
const WRONG = `query Wrong { nothing }`;
const PARTLY = `query Partly { stores { id } node(id: "nonsense") { id } }`;
const id = "Order:us:450789001";

// Which requests went out, so that a persisted operation is seen to leave its text at home.
const sent = [];
const counting = async (input, init) => {
  const method = init?.method ?? "GET";
  const address = new URL(String(input));
  const body = init?.body ? JSON.parse(init.body) : Object.fromEntries(address.searchParams);
  sent.push({ method, query: Boolean(body.query) });
  return fetch(input, init);
};
const sentBy = async (work) => {
  sent.length = 0;
  const result = await work();
  return { result, sent: [...sent] };
};
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const print = (client, found) => console.log(JSON.stringify({ client, ...found }));

async function apollo() {
  const cache = () => new InMemoryCache({ possibleTypes });
  const client = new ApolloClient({ cache: cache(), link: new HttpLink({ uri: url, fetch: counting }) });
  const failed = async (query) => {
    try {
      await client.query({ query: apolloGql(query), fetchPolicy: "no-cache" });
      return null;
    } catch (error) {
      return CombinedGraphQLErrors.is(error) ? error.errors[0].extensions.code : String(error);
    }
  };
  const persisted = (useGETForHashedQueries) =>
    new ApolloClient({
      cache: cache(),
      link: new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(new HttpLink({ uri: url, fetch: counting })),
    });
  const fresh = { query: apolloGql(`query ApolloStores${keys} { stores { id platform } }`), fetchPolicy: "no-cache" };
  const first = await sentBy(() => persisted(false).query(fresh));
  const second = await sentBy(() => persisted(true).query(fresh));
  const partly = await client.query({ query: apolloGql(PARTLY), errorPolicy: "all", fetchPolicy: "no-cache" });
  print("apollo", {
    stores: (await client.query({ query: apolloGql(STORES) })).data.stores.length,
    cancelled: (await client.mutate({ mutation: apolloGql(CANCEL), variables: { id, key: `apollo-${keys}` } })).data
      .cancelOrder,
    wrong: await failed(WRONG),
    partly: [partly.data.stores.length, partly.data.node, partly.error.errors[0].extensions.code],
    persisted: [first.sent, second.sent, second.result.data.stores.length],
  });
}

async function urql() {
  const make = (...exchanges) =>
    new Client({ url, fetch: counting, preferGetMethod: false, exchanges: [...exchanges, fetchExchange] });
  const client = make(cacheExchange);
  const persisted = (preferGetForPersistedQueries) =>
    make(persistedExchange({ preferGetForPersistedQueries, generateHash: async (text) => sha256(text) }));
  const fresh = urqlGql(`query UrqlStores${keys} { stores { id platform } }`);
  const first = await sentBy(() => persisted(false).query(fresh, {}).toPromise());
  const second = await sentBy(() => persisted(true).query(fresh, {}).toPromise());
  const partly = await client.query(urqlGql(PARTLY), {}).toPromise();
  print("urql", {
    stores: (await client.query(urqlGql(STORES), {}).toPromise()).data.stores.length,
    cancelled: (await client.mutation(urqlGql(CANCEL), { id, key: `urql-${keys}` }).toPromise()).data.cancelOrder,
    wrong: (await client.query(urqlGql(WRONG), {}).toPromise()).error.graphQLErrors[0].extensions.code,
    partly: [partly.data.stores.length, partly.data.node, partly.error.graphQLErrors[0].extensions.code],
    persisted: [first.sent, second.sent, second.result.data.stores.length],
  });
}

async function graphqlRequest() {
  const client = new GraphQLClient(url, { fetch: counting });
  const failed = async (query) => {
    try {
      await client.request(query);
      return null;
    } catch (error) {
      return error instanceof ClientError ? error.response.errors[0].extensions.code : String(error);
    }
  };
  const all = new GraphQLClient(url, { fetch: counting, errorPolicy: "all" });
  const partly = await all.rawRequest(PARTLY);
  const text = `query RequestStores${keys} { stores { id platform } }`;
  // It has no word of its own for persisted operations; its middleware writes what is sent.
  const sending = (change) =>
    new GraphQLClient(url, {
      fetch: counting,
      requestMiddleware: (request) => ({ ...request, body: JSON.stringify(change(JSON.parse(request.body))) }),
    });
  const extensions = { persistedQuery: { version: 1, sha256Hash: sha256(text) } };
  const byHash = sending(({ query, ...rest }) => ({ ...rest, extensions }));
  const withText = sending((body) => ({ ...body, extensions }));
  const missed = await byHash.request(text).catch((error) => error.response.errors[0].message);
  if (missed !== "PersistedQueryNotFound") throw new Error(missed);
  const first = await sentBy(() => withText.request(text));
  const second = await sentBy(() => byHash.request(text));
  const byId = sending(({ variables }) => ({ documentId: documented.id, variables }));
  const trusted = await sentBy(() => byId.request(documented.body, { id: "Action:none" }));
  print("graphql-request", {
    stores: (await client.request(STORES)).stores.length,
    cancelled: (await client.request(CANCEL, { id, key: `request-${keys}` })).cancelOrder,
    wrong: await failed(WRONG),
    partly: [partly.data.stores.length, partly.data.node, partly.errors[0].extensions.code],
    persisted: [first.sent, second.sent, second.result.stores.length],
    trusted: [trusted.sent, Object.keys(trusted.result)],
  });
}

await apollo();
await urql();
await graphqlRequest();
