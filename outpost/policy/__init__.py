"""What an outpost may do: the verified bundle, its freshness, and the pure evaluation of its rules."""
