"""The main window: its parts put together, its actions, its bars."""
