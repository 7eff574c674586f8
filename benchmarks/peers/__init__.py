"""The servers that the extension is measured against."""
