"""One image, and what is drawn over it."""
