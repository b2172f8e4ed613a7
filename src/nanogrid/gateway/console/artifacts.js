// The files that a run left: their names, and a download of each.

import { h } from "./dom.js";
import { bytes, visible } from "./format.js";
import { panel } from "./run_parts.js";
import { attempt } from "./states.js";

/** The list; null where the run left none. */
export function artifactsView(page, run) {
  if (run.artifacts.length === 0) return null;
  const rows = run.artifacts.map((artifact) =>
    h("li", {}, h("code", {}, visible(artifact.path)), ` ${bytes(artifact.size)} `, downloadButton(page, run, artifact)),
  );
  return panel("Files", h("ul", { class: "artifacts" }, rows));
}

function downloadButton(page, run, artifact) {
  const label = `Download ${visible(artifact.path)}`;
  const button = h("button", { type: "button", class: "quiet small", "aria-label": label }, "Download");
  button.addEventListener("click", () => attempt(page, button, () => download(page, run, artifact)));
  return button;
}

// Never opened, only saved: what a function wrote must not run as a page of this origin.
async function download(page, run, artifact) {
  const content = await page.grid.artifact(run.runId, artifact.path, page.signal);
  const address = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  const link = h("a", { href: address, download: artifact.path.split("/").pop() });
  link.click();
  // Not at once: the browser reads it a moment later.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
