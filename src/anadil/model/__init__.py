"""Models as they are: loading, the loss without logits in memory, the score of a document."""
