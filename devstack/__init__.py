"""Starts and stops the embedded servers and the app's processes. Standard library plus drivers, no Django."""
