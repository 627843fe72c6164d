"""The series that are open: found, read, listed."""
