"""Pages to look at, listen to and correct: one file each, that needs no network."""
