"""The process: configuration, identity, HTTP, telemetry and the command line; the only room that reads the environment."""
