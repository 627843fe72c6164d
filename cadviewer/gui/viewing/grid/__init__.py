"""Several views of one series, or of two."""
