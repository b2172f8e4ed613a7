"""Runs Python that somebody else wrote, and remembers its variables from one piece to the next.

The sandbox around the function is what makes this safe: no network, no files, limits on time and memory.
"""

import ast
import contextlib
import io
import traceback

MOST_OUTPUT = 20_000
#: What the code has defined so far; it lives as long as this sandbox is warm.
VARIABLES = {"__name__": "__main__"}


def handler(event, context):
    fresh = len(VARIABLES) == 1
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            value, error = repr_of(execute(event["code"])), None
        except Exception:
            value, error = None, traceback.format_exc(limit=-3)
    return {"output": output.getvalue()[-MOST_OUTPUT:], "value": value, "error": error, "fresh": fresh}


def execute(code):
    """Run the code; its last expression's value, as in a notebook."""
    body = ast.parse(code, "model.py")
    last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
    exec(compile(body, "model.py", "exec"), VARIABLES)
    return eval(compile(ast.Expression(last.value), "model.py", "eval"), VARIABLES) if last else None


def repr_of(value):
    return None if value is None else repr(value)[:MOST_OUTPUT]
