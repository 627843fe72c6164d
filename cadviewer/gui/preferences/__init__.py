"""The settings dialog: its pages change a draft, which becomes the settings when the user says so."""
