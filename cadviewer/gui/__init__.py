"""The window: the only place besides `app` that knows Qt."""
