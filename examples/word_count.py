"""Counts the words of a text: the most frequent first."""

import re
from collections import Counter


def handler(event, context):
    words = re.findall(r"[a-z]+", event["text"].lower())
    common = Counter(word for word in words if len(word) > 4).most_common(5)
    return {"words": len(words), "distinct": len(set(words)), "top": dict(common)}
