"""The peers' web processes, served as ours. How many there are is on the command line."""

worker_class = "gthread"
keepalive = 100
accesslog = None
control_socket_disable = True
