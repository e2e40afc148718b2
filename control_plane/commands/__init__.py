"""The command line by subject; each command reads its arguments, runs one operation and prints the outcome."""
