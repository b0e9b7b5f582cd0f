"""Pure builders of conditions and status patches."""
