"""Approved copy and the catalogue as files for advertising channels.

Every export yields, product by product, rows that keep the channel's rules and `Problem`s for what can't be exported:
nothing is cut in silence. `registry.py` lists them; each other file is one format.
"""
