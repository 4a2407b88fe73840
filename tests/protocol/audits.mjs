// GraphQL over HTTP's own audits against an endpoint: prints one JSON line for each.
import { serverAudits } from "graphql-http";

const [url] = process.argv.slice(2);
for (const audit of serverAudits({ url })) {
  const result = await audit.fn();
  const { id, name } = audit;
  console.log(JSON.stringify({ id, name, status: result.status, reason: result.status === "ok" ? "" : result.reason }));
}
