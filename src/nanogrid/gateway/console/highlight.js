// Syntax colours: one expression per language, its alternatives named for what they are.

import { h } from "./dom.js";

const NUMBER = String.raw`(?<number>\b\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?\b)`;
const CALL = String.raw`(?<call>\b[A-Za-z_$][\w$]*(?=\())`;

const words = (list) => String.raw`(?<keyword>\b(?:${list.split(" ").join("|")})\b)`;

const PYTHON = [
  String.raw`(?<comment>#[^\n]*)`,
  String.raw`(?<string>(?:\b[rRbBfFuU]{1,2})?(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?))`,
  String.raw`(?<key>@[\w.]+)`,
  words(
    "False None True and as assert async await break class continue def del elif else except finally for from global " +
      "if import in is lambda match nonlocal not or pass raise return try while with yield",
  ),
  CALL,
  NUMBER,
];

const JAVASCRIPT = [
  String.raw`(?<comment>\/\/[^\n]*|\/\*[^]*?(?:\*\/|$))`,
  "(?<string>\"(?:[^\"\\\\\\n]|\\\\.)*\"?|'(?:[^'\\\\\\n]|\\\\.)*'?|`(?:[^`\\\\]|\\\\[^])*`?)",
  words(
    "async await break case catch class const continue default delete do else export extends false finally for " +
      "function if import in instanceof let new null of return static super switch this throw true try typeof undefined " +
      "var void while yield",
  ),
  CALL,
  NUMBER,
];

const JSON_TEXT = [
  String.raw`(?<key>"(?:[^"\\\n]|\\.)*"(?=\s*:))`,
  String.raw`(?<string>"(?:[^"\\\n]|\\.)*"?)`,
  words("true false null"),
  String.raw`(?<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)`,
];

const LANGUAGES = new Map(
  Object.entries({ python: PYTHON, javascript: JAVASCRIPT, json: JSON_TEXT }).map(([name, parts]) => [
    name,
    new RegExp(parts.join("|"), "g"),
  ]),
);

/** The text as nodes, coloured; as plain text where the language is not known. */
export function coloured(text, language) {
  const expression = LANGUAGES.get(language);
  if (!expression) return [text];
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(expression)) {
    const [kind] = Object.entries(match.groups).find(([, value]) => value !== undefined);
    nodes.push(text.slice(at, match.index), piece(kind, match[0]));
    at = match.index + match[0].length;
  }
  return [...nodes, text.slice(at)];
}

/** One coloured piece. */
export function piece(kind, text) {
  return kind === "plain" ? text : h("span", { class: `code-${kind}` }, text);
}
