"""Calibration and operating points on images they were not fitted on."""
