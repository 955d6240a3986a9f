"""What is learned from a product's photos and real anomalies, and where it is kept.

shelf.py      concepts on disk: listed without torch, written whole or not at all
"""
