"""Formulas on arrays, each with its source."""
