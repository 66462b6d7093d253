"""Engines that run models: Ollama's versions, OpenAI-compatible ones, and HTTP to reach them."""
