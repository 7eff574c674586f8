"""From a packet to its handler: parsing, ordering, routing and answering."""
