"""A change to a store, from asked-for to known."""
