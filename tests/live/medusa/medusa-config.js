// The least a Medusa needs: a database, no admin pages, and the plug-in that makes orders without a checkout.
const { defineConfig } = require("@medusajs/framework/utils")

const here = "http://127.0.0.1"

module.exports = defineConfig({
  admin: { disable: true },
  projectConfig: {
    databaseUrl: process.env.DATABASE_URL,
    databaseDriverOptions: { connection: { ssl: false } },
    http: { storeCors: here, adminCors: here, authCors: here, jwtSecret: "loopback-only", cookieSecret: "loopback-only" },
  },
  plugins: [{ resolve: "@medusajs/draft-order", options: {} }],
})
