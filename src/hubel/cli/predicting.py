def declare(verbs):
    pass
