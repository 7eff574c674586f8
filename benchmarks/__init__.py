"""Speed of the extension beside that of other servers, on the same load."""
