"""LMeRAN: label-conditioned chest X-ray reading. Knows the model, nothing of screens or training."""
