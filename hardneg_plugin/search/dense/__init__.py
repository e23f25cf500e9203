"""Dense search: exact and blocked inner products, stored embeddings."""
