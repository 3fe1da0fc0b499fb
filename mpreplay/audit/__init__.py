"""The audit of a run: the fate of every value, in files that an outsider can check.

``bundle.py`` writes an audit and ``verifying.py`` checks it; ``chain.py`` ties the files together.
"""
