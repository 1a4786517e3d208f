"""Models as functions inside engines: one file or folder an engine."""
