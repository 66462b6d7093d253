"""The HTTP port for tools that think they talk to Ollama or OpenAI."""
