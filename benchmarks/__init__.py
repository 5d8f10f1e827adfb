"""Measurements, never tests: each prints a table of ratios that were taken in one run."""
