"""Small widgets of more than one room."""
