"""Recovery of lost connections: what was sent meanwhile, who may have it, and who asks for it."""
