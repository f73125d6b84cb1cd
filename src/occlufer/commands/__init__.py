"""One thin module a command: a request is understood and checked here, before anything heavy is imported."""
