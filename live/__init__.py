"""`fomm live` behind its command: a page on this machine that shows an image following a camera or clip."""
