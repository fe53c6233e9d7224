"""All commands that people can type, one module for each subject."""
