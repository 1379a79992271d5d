"""Helpers for all other packages: files, the cache, the environment, label checks, warnings, types.

Modules here must not import other packages of skfashion.
"""
