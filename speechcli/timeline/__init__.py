"""Pure functions along the time axis."""
