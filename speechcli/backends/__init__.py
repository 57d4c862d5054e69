"""The only room with engines; nobody imports an engine file at the top of theirs."""
