"""The plugin that makes Hummingbot use this project's Backpack connector, and the commands to run it."""

__version__ = "0.1.0"
