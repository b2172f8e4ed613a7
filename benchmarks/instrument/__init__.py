"""What `run.py`, `compare.py` and `guard.py` measure with."""
