"""The viewer: one page over `lmeran`. Never uses `train`."""
