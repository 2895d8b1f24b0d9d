"""Language models: the seam to them, and any OpenAI-compatible endpoint behind it."""
