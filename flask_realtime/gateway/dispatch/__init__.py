"""Dispatch of packets to their handlers: parsing, ordering, routing and answering."""
