"""An owner's files: read, checked, hashed, and brought to the arrays that enter the protocols."""
