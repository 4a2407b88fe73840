"""commercetools Composable Commerce, HTTP API."""
