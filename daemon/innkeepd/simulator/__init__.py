"""An Ollama where there is none, in two versions, for `make run` and the tests."""
