"""The HTTP port for tools that speak to Ollama, OpenAI or Anthropic."""
