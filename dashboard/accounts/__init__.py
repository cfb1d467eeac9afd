"""Who may come in: the set-up link, logging in, one-time codes, and asking for the password once more."""
