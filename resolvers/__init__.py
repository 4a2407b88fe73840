"""How a field gets its answer: which stores are asked, in which batches, and how their answers are put together."""
