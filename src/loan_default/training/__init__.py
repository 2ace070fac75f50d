"""Cohorts, cross-validation, fitting, calibration, provenance and the model card."""
