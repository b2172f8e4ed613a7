"""A function with a dependency: `nanogrid deploy` reads requirements.txt and puts the wheel into the archive."""

import markdown


def handler(event, context):
    html = markdown.markdown(event["text"], extensions=["tables"])
    return {"html": html, "characters": len(html)}
