"""Why for other programs' language models: ``why mcp``, over stdio and streamable HTTP."""
