// JSON as text. What a function got and gave is shown and sent on as it was written: a number with twenty digits
// does not survive `JSON.parse`.

const SPACE = /\s*/y;
const WORD = /[^\s,:{}[\]"]+/y;
const INDENT = "  ";

/** The members of an object's JSON text, each as the text that it was written with. */
export function members(text) {
  const found = new Map();
  let depth = 0;
  let name = null;
  let start = 0;
  for (const token of tokens(text)) {
    if (depth === 1 && (token.text === "," || token.text === "}"))
      found.set(name, text.slice(start, token.start).trim());
    if (depth === 1 && token.text === ":") start = token.start + 1;
    if (depth === 1 && token.key) name = JSON.parse(token.text);
    depth += step(token.text);
  }
  if (name === null) found.clear();
  return found;
}

/** Pieces `{kind, text}` of the same JSON, indented; ends with `{kind: "cut"}` where more than `most` characters. */
export function* indented(text, most = 100_000) {
  let depth = 0;
  let before = "";
  let written = 0;
  for (const token of tokens(text)) {
    depth += Math.min(0, step(token.text));
    const space = spaceBetween(before, token.text, depth);
    written += space.length + token.text.length;
    if (written > most) return yield { kind: "cut", text: "" };
    yield { kind: kindOf(token), text: space + token.text };
    depth += Math.max(0, step(token.text));
    before = token.text;
  }
}

function* tokens(text) {
  let at = skip(text, 0);
  while (at < text.length) {
    const end = tokenEnd(text, at);
    const next = skip(text, end);
    yield { start: at, text: text.slice(at, end), key: text[at] === '"' && text[next] === ":" };
    at = next;
  }
}

function skip(text, at) {
  SPACE.lastIndex = at;
  SPACE.test(text);
  return SPACE.lastIndex;
}

function tokenEnd(text, at) {
  if (text[at] === '"') return stringEnd(text, at);
  WORD.lastIndex = at;
  return WORD.test(text) ? WORD.lastIndex : at + 1;
}

// By hand: a regular expression would keep a position to return to for each of six million characters.
function stringEnd(text, start) {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function step(text) {
  if (text === "{" || text === "[") return 1;
  return text === "}" || text === "]" ? -1 : 0;
}

function spaceBetween(before, text, depth) {
  if (before === ":") return " ";
  if (text === "," || text === ":" || before === "") return "";
  const empty = (before === "{" && text === "}") || (before === "[" && text === "]");
  return empty ? "" : `\n${INDENT.repeat(depth)}`;
}

function kindOf(token) {
  if (token.key) return "key";
  const first = token.text[0];
  if (first === '"') return "string";
  if (/[-\d]/.test(first)) return "number";
  return /[a-z]/.test(first) ? "keyword" : "plain";
}
