"""The screen, the environment, signals and exit codes."""
