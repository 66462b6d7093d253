"""The control socket: acceptor, reader, writer, and a handler for each verb."""
