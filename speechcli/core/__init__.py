"""The nouns: spans of time, transcripts, sound. No engine, no I/O, no screen."""
