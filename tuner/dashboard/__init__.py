"""The results dashboard: a server that only reads, and its page.

`access.py` says who may ask, `shelf.py` which experiments there are, `reading.py` keeps one of them up to
date, `answers.py` makes of it what `app.py` sends, `live.py` sends what changes, `opening.py` starts it all.
"""
