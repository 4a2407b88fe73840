// What Mesh is told of the shop, beside its OpenAPI document: which call follows from which answer. `SHOP` is its address.
import { defineConfig } from '@graphql-mesh/compose-cli'
import { loadOpenAPISubgraph } from '@omnigraph/openapi'

const page = 'orderby: "date", order: "desc", per_page: "{args.per_page}"'
const from = 'sourceName: "Shop", sourceTypeName: "Query"'

export const composeConfig = defineConfig({
  subgraphs: [
    {
      sourceHandler: loadOpenAPISubgraph('Shop', {
        source: new URL('shop.json', import.meta.url).pathname,
        endpoint: process.env.SHOP + '/wp-json/wc/v3',
        operationHeaders: { authorization: 'Basic ' + Buffer.from('ck_bench:cs_bench').toString('base64') },
      }),
    },
  ],
  // Orders of the record, and those placed as a guest with the same address; the products of all lines in one call.
  additionalTypeDefs: /* GraphQL */ `
    extend type Customer {
      orders(per_page: Int!): [Order] @resolveTo(
        ${from}, sourceFieldName: "orders", requiredSelectionSet: "{ id }",
        sourceArgs: { customer: "{root.id}", ${page} })
      guestOrders(per_page: Int!): [Order] @resolveTo(
        ${from}, sourceFieldName: "orders", requiredSelectionSet: "{ email }",
        sourceArgs: { customer: "0", search: "{root.email}", ${page} })
    }
    extend type OrderLine {
      product: Product @resolveTo(
        ${from}, sourceFieldName: "products", keyField: "product_id", keysArg: "include", valueKeyField: "id",
        additionalArgs: { per_page: 100 })
    }
  `,
})
