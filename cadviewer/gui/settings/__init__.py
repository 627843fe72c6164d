"""What the user can set, and the dialogs for it."""
