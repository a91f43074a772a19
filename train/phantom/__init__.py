"""Synthetic frontal chest films with known lesions: examples, tests, a world without data."""
