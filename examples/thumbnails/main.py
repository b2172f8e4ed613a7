"""Makes thumbnails: pictures in any format come in as base64, small WebP pictures go out."""

import base64
import io

from PIL import Image, ImageOps

#: A small file can unpack to a huge picture: more pixels than this are refused before they are read.
MOST_PIXELS = 40_000_000


def handler(event, context):
    picture = Image.open(io.BytesIO(base64.b64decode(event["image"])))
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError(f"{picture.width} x {picture.height} pixels are too many; {MOST_PIXELS} are allowed")
    # As the camera was held, then no larger than asked for.
    small = ImageOps.exif_transpose(picture)
    small.thumbnail((event.get("size", 128), event.get("size", 128)))
    out = io.BytesIO()
    small.convert("RGBA" if "A" in small.getbands() else "RGB").save(out, "WEBP", quality=80)
    print(f"{picture.format} {picture.size} became {small.size}, {out.tell()} bytes")
    return {"width": small.width, "height": small.height, "image": base64.b64encode(out.getvalue()).decode()}
