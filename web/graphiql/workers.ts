// Where the editor finds its background workers: files beside this bundle, so no blob: URL is needed.

const FILES: Readonly<Record<string, string>> = { json: "json.worker.js", graphql: "graphql.worker.js" };

window.MonacoEnvironment = {
  getWorker: (_workerId, label) => new Worker(new URL(FILES[label] ?? "editor.worker.js", import.meta.url)),
};

export {};
