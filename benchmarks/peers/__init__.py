"""What the gateway is measured against: other ways to answer one support query from the same shop."""
