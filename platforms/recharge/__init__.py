"""Recharge subscriptions, Admin API 2021-11."""
