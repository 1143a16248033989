"""The protocol's messages, generated from proto/cropstream/v1 by scripts/generate.py."""
