"""Models measured side by side on recordings with references."""
