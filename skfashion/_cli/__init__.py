"""The command ``skfashion``: a module for each subcommand, and the report of a comparison.

The modules turn arguments into calls of the public API, and results into text and files. Other
packages must not import this one.
"""
