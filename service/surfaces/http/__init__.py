"""The HTTP API: it translates between HTTP and the core, and decides nothing itself."""
