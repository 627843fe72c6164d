"""What is kept: the journal of a reading session and the files that leave the program."""
