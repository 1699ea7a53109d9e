"""What was logged, whole: lines have fields beside their words, which `caplog.text` leaves out."""


def everything_in(caplog):
    """Return the words, the fields and the arguments of every line, as one text."""
    return caplog.text + repr([vars(record) for record in caplog.records])
