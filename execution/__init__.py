"""Runs a GraphQL operation fast: compiled once to Python functions, answered as graphql-core does."""
