"""Helpers for all packages: files, the cache directory, environment, label checks, warnings, types.

Modules here must not import other packages of skfashion.
"""
