"""The process: settings, identity, HTTP, telemetry and the command line; only here is the environment read."""
