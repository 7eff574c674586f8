"""Descriptions of an application's events: TypeScript, and an AsyncAPI document.

Only the commands `flask realtime types` and `flask realtime asyncapi` import this package; a process that serves does not.
"""
