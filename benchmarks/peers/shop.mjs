// What the peers on Node know of the shop: its calls, and its words in those of the schema.
import { Agent, request } from 'undici'

const STORE = 'eu'
const CURRENCY = 'EUR'
const API = '/wp-json/wc/v3'
const AUTHORIZATION = 'Basic ' + Buffer.from('ck_bench:cs_bench').toString('base64')
const headers = { authorization: AUTHORIZATION, accept: 'application/json' }

const STATUS = {
  pending: 'PENDING', processing: 'OPEN', 'on-hold': 'ON_HOLD', completed: 'COMPLETED', cancelled: 'CANCELLED',
  failed: 'FAILED',
}

/** The shop at `base`, asked with Node's fetch or with undici's own call. */
export function shop(base, client) {
  const agent = new Agent({ connections: 64, pipelining: 1 })
  const get = client === 'undici'
    ? async (path) => {
        const answer = await request(base + API + path, { dispatcher: agent, headers })
        if (answer.statusCode !== 200) throw new Error(`the shop answered ${answer.statusCode}`)
        return answer.body.json()
      }
    : async (path) => {
        const answer = await fetch(base + API + path, { headers })
        if (!answer.ok) throw new Error(`the shop answered ${answer.status}`)
        return answer.json()
      }
  return {
    async customer(email) {
      const rows = await get(`/customers?email=${encodeURIComponent(email)}&role=all`)
      const row = rows.find((one) => one.email.toLowerCase() === email.toLowerCase())
      if (!row) return null
      return { key: row.id, displayName: `${row.first_name} ${row.last_name}`.trim() || null, email: row.email }
    },
    /** Those of the customer's record, and those placed as a guest with the same address; newest first. */
    async orders(customer, first) {
      const page = `orderby=date&order=desc&per_page=${first + 1}`
      const [own, guest] = await Promise.all([
        get(`/orders?customer=${customer.key}&${page}`),
        get(`/orders?customer=0&search=${encodeURIComponent(customer.email)}&${page}`),
      ])
      const mine = guest.filter((row) => row.customer_id === 0 && row.billing.email === customer.email)
      return [...own, ...mine]
        .sort((a, b) => (a.date_created_gmt < b.date_created_gmt ? 1 : a.date_created_gmt > b.date_created_gmt ? -1 : b.id - a.id))
        .slice(0, first)
        .map(order)
    },
    /** In the order of `ids`; null where there is none. */
    async products(ids) {
      const rows = await get(`/products?include=${ids.join(',')}&per_page=100`)
      const found = new Map(rows.map((row) => [row.id, product(row)]))
      return ids.map((id) => found.get(id) ?? null)
    },
  }
}

const pair = (amount, currencyCode) => {
  const money = { amount, currencyCode }
  return { presentment: money, shop: money }
}

function order(row) {
  return {
    id: `Order:${STORE}:${row.id}`,
    number: row.number,
    status: STATUS[row.status] ?? 'UNKNOWN',
    paymentStatus: row.status === 'failed' ? 'FAILED' : row.date_paid_gmt ? 'PAID' : 'PENDING',
    fulfillmentStatus: row.date_completed_gmt ? 'FULFILLED' : 'UNFULFILLED',
    placedAt: row.date_created_gmt + '+00:00',
    totals: { total: pair(row.total, row.currency), shipping: pair(row.shipping_total, row.currency) },
    lines: row.line_items.map((line) => ({
      id: `OrderLine:${STORE}:${row.id}:${line.id}`,
      title: line.name,
      sku: line.sku || null,
      quantity: { ordered: line.quantity },
      total: pair(line.total, row.currency),
      productKey: line.product_id,
    })),
  }
}

function product(row) {
  return {
    id: `Product:${STORE}:${row.id}`,
    title: row.name,
    url: row.permalink,
    images: row.images.map((image) => ({ url: image.src, alt: image.alt || null })),
    priceMin: { amount: row.price, currencyCode: CURRENCY },
  }
}
