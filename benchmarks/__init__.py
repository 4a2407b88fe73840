"""What the gateway costs, measured from outside over loopback."""
