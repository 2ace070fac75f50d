"""Outcomes joined to predictions: realised quality and whether it has degraded."""
