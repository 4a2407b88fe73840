// A federation router over two subgraphs: ours, and a helpdesk of its own that adds to our orders and subscriptions.
// Prints what composition says, then the answer to each operation that is read from standard input, one JSON line each.
import { createServer } from "node:http";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { composeServices } from "@apollo/composition";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import { parse } from "graphql";
import { createHandler } from "graphql-http/lib/use/http";

const [ours] = process.argv.slice(2);

const helpdeskSdl = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.11", import: ["@key"])
  type Query { tickets: [Ticket!]! }
  type Ticket { id: ID! subject: String! order: Order subscription: SubscriptionContract }
  type Order @key(fields: "id") { id: ID! tickets: [Ticket!]! }
  type SubscriptionContract @key(fields: "id") { id: ID! loyaltyPoints: Int! }
`;

const tickets = [
  { id: "1", subject: "Where is it?", order: { id: "Order:us:450789001" } },
  { id: "2", subject: "From nowhere", order: { id: "Order:us:999" } },
  { id: "3", subject: "Not an order", order: { id: "nonsense" } },
  { id: "4", subject: "Too much coffee", subscription: { id: "SubscriptionContract:subs:9001" } },
];

const helpdesk = createServer(
  createHandler({
    schema: buildSubgraphSchema({
      typeDefs: parse(helpdeskSdl),
      resolvers: {
        Query: { tickets: () => tickets },
        Order: {
          __resolveReference: (reference) => reference,
          tickets: (order) => tickets.filter((ticket) => ticket.order?.id === order.id),
        },
        SubscriptionContract: {
          __resolveReference: (reference) => reference,
          loyaltyPoints: (contract) => contract.id.length,
        },
      },
    }),
  }),
);
helpdesk.listen(0, "127.0.0.1");
await once(helpdesk, "listening");

const asked = await fetch(ours, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query: "{ _service { sdl } }" }),
});
const { sdl } = (await asked.json()).data._service;

const composed = composeServices([
  { name: "aftersale", url: ours, typeDefs: parse(sdl) },
  { name: "helpdesk", url: `http://127.0.0.1:${helpdesk.address().port}/`, typeDefs: parse(helpdeskSdl) },
]);
console.log(
  JSON.stringify({
    errors: (composed.errors ?? []).map((error) => error.message),
    hints: (composed.hints ?? []).map((hint) => hint.definition.code),
  }),
);

const runtime = createGatewayRuntime({ supergraph: composed.supergraphSdl, logging: false, maskedErrors: false });
const router = createServer(runtime);
router.listen(0, "127.0.0.1");
await once(router, "listening");
const address = `http://127.0.0.1:${router.address().port}/graphql`;

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: line,
  });
  const { data = null, errors = [] } = await answer.json();
  console.log(JSON.stringify({ data, errors: errors.map(({ message, path }) => ({ message, path: path ?? null })) }));
}
await runtime.dispose();
for (const server of [router, helpdesk]) {
  server.closeAllConnections();
  server.close();
}
