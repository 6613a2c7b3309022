"""Trains one attempt of one job. PROTOCOL.md says what it reads and writes."""
