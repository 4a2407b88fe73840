"""One step for each layout; a step that was released is never changed."""
