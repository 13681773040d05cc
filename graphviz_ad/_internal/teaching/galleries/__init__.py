"""The programs of the gallery, written as a user writes; see `graphviz_ad.gallery`."""
