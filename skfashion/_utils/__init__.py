"""What every other package may use: files, the machine, warnings and types.

It must not know anything else of skfashion.
"""
