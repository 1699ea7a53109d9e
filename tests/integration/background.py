"""What tests of background jobs have in place of a worker's threads."""


class AtOnce:
    """A pool that carries out at once what it is asked to."""

    def apply_async(self, function, arguments):
        function(*arguments)
