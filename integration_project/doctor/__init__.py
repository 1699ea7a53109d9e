"""The doctor: everything that an operator would ask about, each fault with its remedy.

`manage.py doctor` and the page *Machinery* show what `examination.examine` returns. One module an
area yields its checks; what is judged elsewhere, by `insight`, keeps its words.
"""
