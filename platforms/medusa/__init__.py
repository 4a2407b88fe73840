"""Medusa v2 Admin API."""
