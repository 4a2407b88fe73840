"""The published contract: the nouns, their words and their links; no input or output happens here."""
