"""Graph -> Scene and Canvas: the words of a picture, its boxes and arrows, its colours, and every mark that is
drawn.
"""
