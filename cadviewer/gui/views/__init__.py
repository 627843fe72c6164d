"""The middle of the window: one to four views, linked by the point of the patient they show."""
