"""Ad copy: channels and their limits, requests, assets."""
