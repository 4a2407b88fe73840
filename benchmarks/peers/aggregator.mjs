// `node aggregator.mjs PORT SHOP`: the same answer written by hand for this one question, without GraphQL.
import { createServer } from 'node:http'
import { shop } from './shop.mjs'

const [port, base] = process.argv.slice(2)
const store = shop(base, 'undici')

async function answer(email, first) {
  const customer = await store.customer(email)
  if (!customer) return { customer: null }
  const orders = await store.orders(customer, first)
  const ids = [...new Set(orders.flatMap((order) => order.lines.map((line) => line.productKey)))]
  const products = new Map((await store.products(ids)).map((product, at) => [ids[at], product]))
  return {
    customer: {
      displayName: customer.displayName,
      email: customer.email,
      orders: {
        nodes: orders.map(({ lines, totals, ...order }) => ({
          ...order,
          totals: { total: shown(totals.total), shipping: shown(totals.shipping) },
          lines: lines.map(({ productKey, total, ...line }) => ({
            ...line, total: shown(total), product: products.get(productKey),
          })),
        })),
      },
    },
  }
}

const shown = ({ presentment }) => ({ presentment })

createServer(async (incoming, outgoing) => {
  const { searchParams } = new URL(incoming.url, 'http://localhost')
  try {
    const body = JSON.stringify({ data: await answer(searchParams.get('email'), Number(searchParams.get('first'))) })
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
  } catch {
    outgoing.writeHead(502).end()
  }
}).listen(Number(port), '127.0.0.1')
