"""WooCommerce REST v3, with the Subscriptions plug-in where the shop has it."""
