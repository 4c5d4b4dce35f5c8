"""What only the Groningen Meaning Bank needs: where it is, what is in it, and how it is split."""
