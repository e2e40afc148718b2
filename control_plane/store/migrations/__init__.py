"""Schema history, shipped inside the package so that `control-plane migrate` works from an installed wheel."""
