"""What the window explains: its keys, its models, why a file was not opened."""
