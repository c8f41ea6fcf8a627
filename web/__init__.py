"""The page that classifies in the browser, and the server that brings it there.

Installed as `keras_squeezebert.web`; import it by that name.
"""
