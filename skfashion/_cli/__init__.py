"""The command ``skfashion``: a module for each of its commands, and the report of a comparison.

It turns arguments into calls of the public names, and results into text and files. Nothing else
may import it.
"""
