"""Sandboxes: where functions run. The pool decides, a driver starts, a guard keeps every promise of `ports`."""
