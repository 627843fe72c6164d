"""The dialog that annotates a whole folder. The work is `cadviewer.batch`, the same that `cadviewer annotate` does."""
