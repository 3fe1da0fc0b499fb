"""The audit of a run: what became of every value, so that whoever was not there can check it.

``bundle.py`` writes it, ``verifying.py`` checks it, ``chain.py`` is what ties it together.
"""
