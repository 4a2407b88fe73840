"""BigCommerce: REST v2 for orders, v3 for customers, the catalogue and refunds."""
