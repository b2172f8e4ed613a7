// A Node function: titles become addresses.
exports.handler = async (event, context) => {
  const slugs = event.titles.map((title) =>
    title.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")
  );
  console.log(`slugified ${slugs.length} titles with node ${process.version}`);
  return { slugs };
};
