"""Sound from outside: ffmpeg, files, addresses."""
