"""The report of a case: what it says (`content`), how that is worded (`phrases`, `templates`), and in which files."""
