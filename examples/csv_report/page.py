"""The report as a page to mail or to keep: one file, nothing to load."""

from html import escape

STYLE = "body{font:16px sans-serif}td{padding:.2em 1em}td+td{text-align:right}"


def page(summary):
    rows = "".join(
        f"<tr><td>{escape(city)}</td><td>{amount:,.2f}</td></tr>" for city, amount in summary["cities"].items()
    )
    return (
        f"<!doctype html><meta charset=utf-8><title>Sales</title><style>{STYLE}</style><h1>Sales</h1>"
        f"<p>Best: <b>{escape(summary['best'])}</b></p><table>{rows}<tr><td><b>Total</b></td>"
        f"<td><b>{summary['total']:,.2f}</b></td></tr></table>"
    )
