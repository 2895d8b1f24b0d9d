"""Words → PromQL: what is asked for, what could answer it, and whether it may be asked."""
