"""Which version answers which rows, and which one only tries to: canary and shadow traffic."""
