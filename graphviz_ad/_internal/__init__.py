"""The rooms of the package, in the order in which they may import each other; see ARCHITECTURE.md. What users import
stands above them, in `graphviz_ad`.
"""
