"""`fomm live` behind its command: a page on this machine that shows a picture following a camera or clip."""
