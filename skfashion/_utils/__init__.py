"""Helpers for all packages: files, the cache directory, the environment, messages, arrays, types.

Modules here must not import other packages of skfashion.
"""
