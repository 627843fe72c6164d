"""What an image is, and whether a model may see it."""
