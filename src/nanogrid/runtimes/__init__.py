"""Programs that run inside a sandbox; the platform never imports them."""
