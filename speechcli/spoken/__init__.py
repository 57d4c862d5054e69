"""What writing sounds like: written tokens as spoken words, words as phones."""
