"""phsearch as tools of an assistant that speaks the Model Context Protocol (modelcontextprotocol.io).

Only `stdio` and `server` import the SDK, which loads slowly: nothing but the command `mcp` may import them.
"""
