// The page itself: GraphiQL with the explorer, opened on the tabs that the gateway gives.

import "./workers";
// GraphiQL loads the editor when it first renders. Naming it here puts its style sheet into this page's own.
import "monaco-graphql/esm/monaco-editor.js";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createRoot } from "react-dom/client";

import "@graphiql/react/font/roboto.css";
import "@graphiql/react/font/fira-code.css";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-explorer/style.css";
import "graphiql/graphiql.css";
import "./page.css";

import { loadConfig, type GivenTab, type PageConfig } from "./config";
import { gatewayFetcher } from "./fetcher";
import { openSession, type TabText } from "./session";

const PLUGINS = [explorerPlugin({ showAttribution: false }), HISTORY_PLUGIN];

function formatted(values: Readonly<Record<string, unknown>>): string | null {
  return Object.keys(values).length > 0 ? JSON.stringify(values, null, 2) : null;
}

/** GraphiQL names a tab after its operation; our title becomes the first line of its text. */
function tabFrom({ title, query, variables, headers }: GivenTab): TabText {
  const text = query.trim();
  return {
    query: title ? `# ${title.replaceAll(/\s+/g, " ")}\n${text}` : text,
    variables: formatted(variables),
    headers: formatted(headers),
  };
}

function Page({ config }: { config: PageConfig }) {
  const { storage, left } = openSession(config.tabs);
  const tabs = config.tabs.map(tabFrom);
  // GraphiQL fills the panes from these alone. They must be the open tab's, or it adds them as one more tab.
  const open = left ?? tabs[0];
  return (
    <GraphiQL
      fetcher={gatewayFetcher(config.endpoint)}
      storage={storage as Storage}
      plugins={PLUGINS}
      {...(tabs.length > 0 ? { defaultTabs: tabs } : {})}
      {...(open ? { initialQuery: open.query ?? "" } : {})}
      {...(open?.variables ? { initialVariables: open.variables } : {})}
      {...(open?.headers ? { initialHeaders: open.headers } : {})}
      defaultEditorToolsVisibility="variables"
      // A token is never written to disk; the sandbox has none, and its headers (clock, faults) are worth keeping.
      shouldPersistHeaders={config.sandbox}
    >
      <GraphiQL.Logo>
        <h1 className="aftersale-title">
          Aftersale
          {config.sandbox && <span className="aftersale-sandbox">sandbox</span>}
        </h1>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

async function start(container: HTMLElement): Promise<void> {
  try {
    const config = await loadConfig(new URL("./config.json", import.meta.url));
    createRoot(container).render(<Page config={config} />);
  } catch (problem) {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = `This page could not read its configuration.\n${problem instanceof Error ? problem.message : problem}`;
    container.replaceChildren(notice);
  }
}

const container = document.getElementById("root");
if (container === null) {
  throw new Error("index.html has no element with the id root");
}
void start(container);
