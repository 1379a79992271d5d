"""The commands of the shell, a module for each: arguments in, tables and files out."""
