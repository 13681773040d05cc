"""Programs -> lessons: the gallery, its entries, and the page that shows them."""
