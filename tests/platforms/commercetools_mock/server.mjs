// Serves the mock on a loopback port of its own, says which, and ends when standard input is closed.
import { webcrypto } from "node:crypto"

import { CommercetoolsMock } from "@labdigital/commercetools-mock"

globalThis.crypto ??= webcrypto // Node 18 does not have it there
const mock = new CommercetoolsMock({
  strict: true,
  silent: true,
  enableAuthentication: true,
  validateCredentials: true,
  defaultProjectKey: "test",
})
console.log(await mock.app.listen({ host: "127.0.0.1", port: 0 }))
process.stdin.on("end", () => process.exit(0)).resume()
