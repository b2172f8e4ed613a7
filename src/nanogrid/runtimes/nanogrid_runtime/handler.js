"use strict";
// From the handler's name to the function.

const { existsSync, readFileSync, readdirSync } = require("fs");
const path = require("path");
const { pathToFileURL } = require("url");

class HandlerNotFound extends Error {
  get name() {
    return "HandlerNotFound";
  }
}

/** Import the function's code and return the handler. */
async function importHandler(order) {
  const folder = path.dirname(order.handler);
  const [stem, ...names] = path.basename(order.handler).split(".");
  if (!stem || names.length === 0 || names.includes("")) {
    throw new HandlerNotFound(`The handler '${order.handler}' is not of the form file.function, such as index.handler.`);
  }
  const module = await importFile(findFile(order.code, path.join(folder, stem)), order.code);
  return pick(module, names);
}

function findFile(root, stem) {
  for (const ending of [".js", ".mjs", ".cjs"]) {
    const file = path.join(root, stem + ending);
    if (existsSync(file)) return file;
  }
  const files = readdirSync(root).sort().join(", ") || "nothing";
  throw new HandlerNotFound(`The handler's file '${stem}.js' (or .mjs, .cjs) is not in the archive; it has: ${files}.`);
}

async function importFile(file, root) {
  if (isModule(file, root)) return import(pathToFileURL(file).href);
  return require(file);
}

/** Whether Node reads the file as an ES module: by its ending, else by the nearest package.json. */
function isModule(file, root) {
  if (!file.endsWith(".js")) return file.endsWith(".mjs");
  for (let folder = path.dirname(file); folder.startsWith(root); folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest)) return JSON.parse(readFileSync(manifest, "utf8")).type === "module";
  }
  return false;
}

function pick(module, names) {
  let found = module;
  for (const name of names) found = found === null || found === undefined ? undefined : found[name];
  // An ES module that re-exports a CommonJS one has everything under `default`.
  if (found === undefined && module.default) found = module.default[names[0]];
  if (typeof found === "function") return found;
  const own = Object.keys(module).join(", ") || "nothing";
  throw new HandlerNotFound(`The file does not export a function '${names.join(".")}'; it exports: ${own}.`);
}

module.exports = { importHandler };
