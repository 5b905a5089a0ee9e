// Microsoft's validator and its JSON schemas (@microsoft/app-manifest) on manifests of app packages: their files are the
// arguments, and what is wrong with each is a line of JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ManifestUtil } from "@microsoft/app-manifest";

const folder = new URL(".", `file://${createRequire(import.meta.url).resolve("@microsoft/app-manifest")}`);
for (const file of process.argv.slice(2)) {
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  const schema = new URL(`json-schemas/teams/v${manifest.manifestVersion}/MicrosoftTeams.schema.json`, folder);
  const wrong = await ManifestUtil.validateManifestAgainstSchema(manifest, JSON.parse(readFileSync(schema, "utf8")));
  console.log(JSON.stringify({ file, version: manifest.manifestVersion, wrong }));
}
