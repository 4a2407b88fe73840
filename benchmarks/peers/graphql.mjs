// `node graphql.mjs yoga|mercurius PORT SHOP [jit] [undici]`: the schema served by a GraphQL server for Node.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import DataLoader from 'dataloader'
import { shop } from './shop.mjs'

const [server, port, base, ...options] = process.argv.slice(2)
const jit = options.includes('jit')
const store = shop(base, options.includes('undici') ? 'undici' : 'fetch')
const typeDefs = readFileSync(new URL('schema.graphql', import.meta.url), 'utf8')

const resolvers = {
  Query: { customer: (_, { by }) => store.customer(by.email) },
  Customer: { orders: async (customer, { first }) => ({ nodes: await store.orders(customer, first) }) },
  OrderLine: { product: (line, _, context) => context.products.load(line.productKey) },
}
const context = () => ({ products: new DataLoader((ids) => store.products(ids)) })

if (server === 'yoga') {
  const { createSchema, createYoga } = await import('graphql-yoga')
  const plugins = jit ? [(await import('@envelop/graphql-jit')).useGraphQlJit()] : []
  const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), context, plugins, logging: false, graphiql: false })
  createServer(yoga).listen(Number(port), '127.0.0.1')
} else {
  const { default: fastify } = await import('fastify')
  const { default: mercurius } = await import('mercurius')
  const app = fastify()
  app.register(mercurius, { schema: typeDefs, resolvers, context, jit: jit ? 1 : 0 })
  await app.listen({ port: Number(port), host: '127.0.0.1' })
}
