"""One importer per public data set layout."""
