"""What a reader decides and draws, and how it is kept."""
