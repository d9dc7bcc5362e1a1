"""The state between two starts: as a document, in a file, and written before a change is answered."""
