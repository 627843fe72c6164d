"""What the window asks of the engine, and what comes back."""
