"""Transcripts to text and back."""
