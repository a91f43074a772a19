"""How well findings are told apart: AUC, curves, comparisons, subgroups, published figures."""
