"""The gateway: serves the API table over HTTP, with limits, streams and the console page."""
