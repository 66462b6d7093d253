"""Who is served next, which model is loaded and which one leaves."""
