"""A small world of shops to try the gateway on, and the launcher that starts it."""
