"""The network: image cells, label tokens, attention over both, and the maps read off it."""
