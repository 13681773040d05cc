"""Target and inputs -> runs of copies of them, and what their custom Functions were given and gave there."""
