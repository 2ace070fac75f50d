"""Scoring a file: blocks to predictions, manifest and marker."""
