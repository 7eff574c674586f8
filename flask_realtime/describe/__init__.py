"""What an application's events look like to others: as TypeScript, and as an AsyncAPI document.

Only the commands `flask realtime types` and `flask realtime asyncapi` import this package; a process that serves does not.
"""
