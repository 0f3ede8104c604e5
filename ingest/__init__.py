"""From recordings, chats, books and news to training pairs and a live index."""
