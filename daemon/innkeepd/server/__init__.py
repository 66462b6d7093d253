"""What listens: the control socket and the HTTP port. Bytes and words of clients; nothing decides here."""
