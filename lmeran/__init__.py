"""LMeRAN: label-conditioned chest X-ray reading. Nothing here knows of screens or training."""
