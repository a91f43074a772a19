"""Discrimination: AUC, curves, comparisons, subgroups, published figures."""
