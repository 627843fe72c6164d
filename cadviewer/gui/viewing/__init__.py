"""Images on screen."""
