"""The Company Policy Processor: the merchant's rules, and what they say of one asked-for action."""
