"""Import and export runs of the catalogue."""
