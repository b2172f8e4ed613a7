"""Reads the text of a PDF, page by page, and its title: what a search index needs."""

import base64
import io

from pypdf import PdfReader
from pypdf.errors import PdfReadError


def handler(event, context):
    try:
        reader = PdfReader(io.BytesIO(base64.b64decode(event["pdf"])))
        pages = [page.extract_text().strip() for page in reader.pages]
    except PdfReadError as exc:
        # A bad file is an answer, not a failure: nobody needs to look at the function for it.
        return {"error": f"this is no PDF that can be read: {exc}"}
    title = reader.metadata.title if reader.metadata else None
    print(f"{len(pages)} pages, {sum(map(len, pages))} characters")
    return {"title": title, "pages": pages}
