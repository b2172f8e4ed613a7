// What a new function begins with.

const PYTHON = `def handler(event, context):
    """Called once per run; what it returns is the run's output."""
    name = event.get("name", "world")
    print(f"greeting {name}")
    return {"hello": name}
`;

const NODEJS = `// Called once per run; what it returns is the run's output.
exports.handler = async (event, context) => {
  const name = event.name ?? "world";
  console.log(\`greeting \${name}\`);
  return { hello: name };
};
`;

/** The code that a new function of this runtime begins with; empty for runtimes that have no single file. */
export function templateFor(runtime) {
  if (runtime.startsWith("python")) return PYTHON;
  return runtime.startsWith("nodejs") ? NODEJS : "";
}

/** The language of a runtime's single file, for its colours. */
export function languageOf(runtime) {
  if (runtime.startsWith("python")) return "python";
  return runtime.startsWith("nodejs") ? "javascript" : "";
}
