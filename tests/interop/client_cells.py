"""Our client's cells."""


def client_environments():
    return []
