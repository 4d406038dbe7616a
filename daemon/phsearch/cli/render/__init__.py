"""Answers as text: tables, lines, notes and pictures."""
