"""Adapters for Discord, Telegram, the browser and the terminal, and the `understudy` command."""
