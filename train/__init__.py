"""Training and evaluation of LMeRAN. Uses `lmeran`, never `app`."""
