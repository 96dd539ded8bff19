"""The experiments of paper 000 (sparse fooling images) and of paper 004's one-pixel attack."""
