"""The trainer dialog and the run that it follows."""
