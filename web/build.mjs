// How the pages become static files that need nothing but the gateway's own origin: no CDN, no inline script, no eval.

import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(here, "graphiql");
const output = process.argv[2] ? path.resolve(process.argv[2]) : path.join(here, "..", "gateway", "static", "graphiql");

/** Licences under which a bundled package may be passed on with an attribution and nothing more. */
const PERMISSIVE = new Set(["MIT", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "PSF-2.0", "Python-2.0"]);

/** The fonts inside @graphiql/react and monaco-editor have licences of their own. */
const FONTS = `Fonts: Roboto (Apache-2.0; later versions SIL Open Font License 1.1), Fira Code (SIL Open Font License 1.1), Codicons (Creative Commons Attribution 4.0)`;

/** GraphiQL ships its fonts as data: URLs. As files they load only when used, and the page can forbid data: fonts. */
const fontsAsFiles = {
  name: "fonts-as-files",
  setup(build) {
    build.onResolve({ filter: /^data:font\/woff2?;base64,/ }, (request) => {
      const [, extension, encoded] = /^data:font\/(\w+);base64,(.*)$/s.exec(request.path);
      const contents = Buffer.from(encoded, "base64");
      const digest = createHash("sha256").update(contents).digest("hex").slice(0, 12);
      const family = path.basename(request.importer, ".css");
      return { path: `${family}-${digest}.${extension}`, namespace: "font", pluginData: contents };
    });
    build.onLoad({ filter: /.*/, namespace: "font" }, (request) => ({ contents: request.pluginData, loader: "file" }));
  },
};

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: ["es2022"],
  outdir: output,
  metafile: true,
  legalComments: "none", // every licence is in licences.txt
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
};

const page = {
  ...common,
  entryPoints: { graphiql: "graphiql/main.tsx" },
  format: "esm",
  splitting: true, // the formatter and the editor's rarer languages load when first needed
  chunkNames: "chunk-[hash]",
  assetNames: "fonts/[name]",
  loader: { ".ttf": "file" },
  // GraphiQL names the formatter's parsers by their CommonJS files, whose exports a dynamic import does not see here.
  alias: { "prettier/parser-graphql": "prettier/plugins/graphql", "prettier/parser-babel": "prettier/plugins/babel" },
  plugins: [fontsAsFiles],
};

const workers = {
  ...common,
  entryPoints: {
    "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  },
  format: "iife",
};

/** The folder of the package that a bundled file belongs to, or null for our own files. */
function packageOf(file) {
  const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file);
  return match ? match[1] : null;
}

/** Name, licence and licence text of every package that went into the bundles; an unknown licence fails the build. */
async function licences(metafiles) {
  const folders = new Set(metafiles.flatMap((meta) => Object.keys(meta.inputs).map(packageOf)));
  folders.delete(null);
  const sections = await Promise.all(
    [...folders].map(async (folder) => {
      const about = JSON.parse(await readFile(path.join(here, folder, "package.json"), "utf8"));
      if (!PERMISSIVE.has(about.license)) {
        throw new Error(`${about.name} ${about.version} has the licence ${about.license}, which build.mjs does not list.`);
      }
      const names = (await readdir(path.join(here, folder))).filter((name) => /^(licen[cs]e|notice|thirdparty)/i.test(name));
      const texts = await Promise.all(names.sort().map((name) => readFile(path.join(here, folder, name), "utf8")));
      return [`${about.name} ${about.version} (${about.license})`, ...texts.map((text) => text.trim())].join("\n\n");
    }),
  );
  return [FONTS, ...sections.sort()].join(`\n\n${"-".repeat(80)}\n\n`) + "\n";
}

await rm(output, { recursive: true, force: true });
await mkdir(output, { recursive: true });
const results = await Promise.all([build(page), build(workers)]);
// Nothing links to the style sheets of parts that load later: graphiql.css has all of them (see main.tsx).
for (const name of await readdir(output)) {
  if (name.startsWith("chunk-") && name.endsWith(".css")) {
    await rm(path.join(output, name));
  }
}
await writeFile(path.join(output, "licences.txt"), await licences(results.map((result) => result.metafile)));
await cp(path.join(source, "icon.svg"), path.join(output, "icon.svg"));
// Last: the gateway takes an index.html to mean that the build is complete.
await cp(path.join(source, "index.html"), path.join(output, "index.html"));
