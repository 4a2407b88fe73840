// Serves the mock on a loopback port of its own, says which, and ends when standard input is closed.
import { CommercetoolsMock } from "@labdigital/commercetools-mock"

const mock = new CommercetoolsMock({
  strict: true,
  silent: true,
  enableAuthentication: true,
  validateCredentials: true,
  defaultProjectKey: "test",
})
console.log(await mock.app.listen({ host: "127.0.0.1", port: 0 }))
process.stdin.on("end", () => process.exit(0)).resume()
