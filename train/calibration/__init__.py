"""Fits of a checkpoint after training: calibration, operating points, out-of-distribution gate."""
